// What the node is doing: the figures that matter first for its kind, its caches, the time range;
// kinds.js adds what servers report about themselves.

import { onRange, timeRange } from "../address.js";
import { facts, instanceLink, nodeLink, stateMark } from "../controls.js";
import { h, replace, setText } from "../dom.js";
import { clock, format, fullTime } from "../format.js";
import { instanceName, store } from "../server.js";
import { ageOf } from "../views/eventlist.js";
import { kindName, sourceText } from "../words.js";
import { meterRow, OWN_PANELS } from "./kinds.js";
import { isAway, NodeFigures } from "./nodecharts.js";
import { NodeEvents } from "./nodeevents.js";

const SAME_TIME = 30; // seconds; two polls of a large cluster
const LIVE = "State, caches and tables show current values.";

const SLOW = /^slow( response)? \(/; // the reason of a node that takes too long to respond
const HAS_PROCESS_START = ["scheduler", "worker", "mp", "coordinator", "controller"];
const RUNS_ELSEWHERE = ["frontend", "discovery"]; // kinds whose figures the server does not keep
const OUTPUT = "kubectl\u00a0logs, journalctl, or the file that it is redirected\u00a0to";

/** Where the log of a node is; "" where its kind is not known. */
function logText({ kind, software }) {
  if (!kind || kind === "unknown") return "";
  if (kind === "frontend") return `Its log is the output of its process: ${OUTPUT}.`;
  const who = kind === "engine" ? software || "The engine" : "LMCache";
  const isInside = ["scheduler", "worker"].includes(kind);
  const what = isInside ? `A ${kind} logs to the output of its engine` : "Read its output";
  return `${who} does not serve logs over HTTP. ${what}: ${OUTPUT}.`;
}

const section = (title, ...children) =>
  h(
    "section",
    { class: "panel", "aria-label": title },
    h("header", { class: "panel-head" }, h("h2", {}, title)),
    children,
  );

/** A path or a name that may break after its slashes; a part breaks only where it has no room. */
const atSlashes = (name) =>
  name && name.split(/(?<=[/])(?=[^/])/).map((part) => h("span", { class: "part" }, part));

/** Facts as lines: what they are, and beside it what they say; in two columns where they fit. */
function factLines(rows) {
  const list = facts(rows);
  list.classList.add("about");
  list.style.setProperty("--rows", Math.ceil(list.children.length / 2));
  return list;
}

/** The response time of the last poll; marked where it is slow, with the digits of the reason. */
function responseTime(node) {
  if (typeof node.latency !== "number" || node.state === "down") return "";
  const isSlow = (node.reasons || []).some((reason) => SLOW.test(reason));
  return isSlow ? `◆ slow, ${node.latency.toFixed(1)} s` : format(node.latency, "seconds");
}

/** What the status does not carry: when the process started, and the size of its disk cache. */
class MoreFacts {
  constructor(ctx) {
    this.ctx = ctx;
    this.started = null;
    this.disk = null;
    this.diskNote = "Loading …"; // what stands in place of the limit of the disk cache
  }

  async #ask(path, pattern) {
    try {
      const found = pattern.exec(await this.ctx.text(path));
      return found ? Number(found[1]) || null : null;
    } catch (error) {
      return undefined; // this fact is left out
    }
  }

  async load() {
    const { kind } = this.ctx.node();
    if (HAS_PROCESS_START.includes(kind))
      this.started = await this.#ask("/metrics", /^process_start_time_seconds (\S+)/m);
    const path = "/conf?names=max_local_disk_size";
    const isAsked = kind === "worker";
    const gigabytes = isAsked && (await this.#ask(path, /"max_local_disk_size":\s*([\d.eE+-]+)/));
    this.disk = gigabytes && gigabytes * 2 ** 30;
    this.diskNote = gigabytes === undefined ? "limit not loaded" : "limit not reported";
  }
}

/** Use of the caches of a node, as bars: [label, used, limit, note]. */
function cacheRows(node, metrics, more) {
  const note = (limit, none = "limit not reported") =>
    limit ? "" : isAway(node) ? "last value reported" : none;
  const { local_cache_limit_bytes: memory } = metrics;
  return [
    ["L1 memory", metrics.local_cache_bytes, memory, note(memory)],
    ["Local disk", metrics.local_storage_bytes, more.disk, note(more.disk, more.diskNote)],
    ["Remote", metrics.remote_cache_bytes, null, note(null)],
  ].filter(([, used, limit]) => used > 0 || (used === 0 && limit));
}

function aboutRows(node, more) {
  const { healthy } = node.metrics || {};
  const health = { 0: "■ not healthy", 1: "● healthy" }[healthy] || "";
  const instance = instanceName(node);
  return [
    ["State", stateMark(node.state)],
    [
      "In this state since",
      `${fullTime(node.since)}${node.since_known === false ? " or\u00a0earlier" : ""}`,
    ],
    [
      "Self-reported health",
      health && h("span", { class: `state-word ${healthy ? "good" : "bad"}` }, health),
    ],
    ["Process started", more.started ? fullTime(more.started) : null],
    ["Running for", more.started && node.state !== "down" ? ageOf(more.started) : null],
    ["Kind", node.software ? `${node.software} engine` : kindName(node.kind)],
    ["Role", node.role === node.kind ? "" : node.role],
    ["Instance", instance && h("a", { href: instanceLink(instance) }, instance)],
    ["Model", atSlashes(node.model)],
    ["Version", node.version],
    ["Address", atSlashes(node.address)],
    ["Proxy path", atSlashes(node.path)],
    ["Source", sourceText(node)],
    ["Reached through", proxyLink(node)],
    ["Last polled", node.polled && !store.error ? clock(node.polled) : null],
    ["Response time", responseTime(node)],
    ["Last error", node.error],
  ];
}

function proxyLink(node) {
  const direct = node.proxy === "local_proxy";
  return direct ? "" : h("a", { href: nodeLink({ key: node.proxy }) }, node.proxy);
}

class Overview {
  constructor(root, ctx) {
    this.ctx = ctx;
    this.more = new MoreFacts(ctx);
    this.kind = null;
    this.asked = 0; // the time of the status with which more was asked
    this.useSig = "";
    this.aboutSig = "";
    this.figures = new NodeFigures(ctx, () => this.redraw());
    this.lately = new NodeEvents(ctx, () => this.figures.mark(this.lately.marks));
    this.past = h("p", { class: "note", role: "status", hidden: true });
    this.use = h("div", { class: "meters" });
    this.caches = section("Caches", this.use);
    this.about = h("div", { class: "about-box" });
    this.special = h("div", { class: "columns own-panels", hidden: true });
    this.charts = this.figures.place;
    this.below = h("div", { class: "columns" });
    replace(
      root,
      this.lately.element,
      this.past,
      this.figures.tiles,
      this.special,
      this.charts,
      this.below,
      section("About this node", this.about),
    );
    onRange(() => this.update(ctx.node(), store.status), ctx.signal);
  }

  #drawSpecial(node) {
    if (this.kind === node.kind) return;
    this.kind = node.kind;
    this.useSig = "";
    const { above = [], below = [] } = OWN_PANELS[node.kind] || {};
    const made = (makers) => makers.map((make) => make(this.ctx));
    replace(this.special, made(above));
    replace(this.below, made(below));
    this.below.hidden = !below.length;
    this.below.classList.add("own-panels");
    // What stands below is shown when this has its size.
    this.caches.classList.add("asking");
    this.#loadMore();
  }

  async #loadMore() {
    this.asked = Math.max(store.status.time, this.#begun(this.ctx.node()));
    await this.more.load();
    this.caches.classList.remove("asking");
    this.redraw();
  }

  /** When the node restarted or came back last. */
  #begun(node) {
    const restarts = this.lately.events.filter((one) => one.kind === "restart");
    const times = restarts.filter((one) => one.node === node.key).map((one) => one.time);
    return Math.max(node.since || 0, ...times);
  }

  #drawPast(node) {
    const { time } = this.figures.told;
    const fixed = !timeRange().live;
    // Charts tell of themselves when their values were.
    const hasFigures = !this.figures.tiles.hidden || this.caches.isConnected;
    this.past.hidden = !(fixed || (time && isAway(node) && hasFigures));
    if (this.past.hidden) return;
    const isOlder = timeRange().to - time > SAME_TIME;
    const older = isOlder ? ` (last reported at ${clock(time)})` : "";
    const atEnd = `Figures as of ${clock(timeRange().to)}, the end of this range${older}. `;
    const text = fixed
      ? `${time ? atEnd : ""}${LIVE}`
      : `Figures are the last values reported, at ${clock(time)}.`;
    setText(this.past, text);
  }

  #drawUse(node) {
    // Even for a past range the caches are shown as they are now, as the note says.
    const metrics = isAway(node) ? this.figures.metrics(node) : node.metrics || {};
    const rows = cacheRows(node, metrics, this.more);
    const sig = JSON.stringify([rows, node.state]);
    if (sig === this.useSig) return;
    this.useSig = sig;
    // An MP server's status has its adapters and limits too.
    if (!rows.length || (node.kind === "mp" && node.state !== "down")) this.caches.remove();
    else this.special.prepend(this.caches);
    this.special.hidden = !this.special.children.length;
    this.use.classList.toggle("stale", isAway(node));
    replace(
      this.use,
      rows.map((row) => meterRow(...row)),
    );
  }

  #drawAbout(node) {
    const sig = JSON.stringify([node, this.more.started, instanceName(node), store.error]);
    if (sig === this.aboutSig) return;
    this.aboutSig = sig;
    const log = h("p", { class: "quiet-line" }, logText(node));
    replace(this.about, factLines(aboutRows(node, this.more)), log.textContent ? log : null);
  }

  redraw() {
    const node = this.ctx.node();
    if (!node || this.ctx.signal.aborted) return;
    this.#drawUse(node);
    this.#drawPast(node);
    this.#drawAbout(node);
  }

  update(node, status) {
    if (!node || !status) return;
    this.#drawSpecial(node);
    this.lately.update(node, status);
    // Its process may be another one now.
    if (!isAway(node) && this.#begun(node) > this.asked) this.#loadMore();
    const hasFigures = !RUNS_ELSEWHERE.includes(node.kind);
    this.charts.hidden = !hasFigures;
    if (hasFigures) this.figures.update(node, status);
    // What stands beside the figures is of the moment that they are of.
    if (!hasFigures || !this.figures.isChanging) this.redraw();
  }
}

export function mount(root, ctx) {
  const overview = new Overview(root, ctx);
  return { update: (node, status) => overview.update(node, status) };
}
