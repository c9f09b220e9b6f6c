// The settings that differ between nodes, without those that differ by nature.

import { button, empty, online, setOff, whyNone } from "../controls.js";
import { breakable, h, replace, setText } from "../dom.js";
import { byName, plain, plural } from "../format.js";
import { each, getJson, nodePath, store } from "../server.js";
import { READABLE } from "../words.js";
import { show } from "../panels/config.js";
import { flatten } from "../panels/util.js";
import { presentNote } from "./present.js";

export { flatten };

const UNASKED = 16; // nodes whose settings are compared at once; with more there is a button
const PAUSE = 600; // ms after a change of the choice
const TIMEOUT = 15; // seconds
const MOST_NAMES = 3;
const TITLE = "Settings that differ";
const MOST_ROWS = 60; // settings shown before "Show all"

/** Settings that differ by nature: ids, ports, addresses and paths of one process. */
const IDENTITY = new RegExp(
  "(^|[._])(id|ids|port|ports|host|url|path|paths|address|socket|rank|ip|pid|hostname|prefix" +
    "|instance_id|worker_ids|local_disk|base_path)($|[._])",
);

/** Whether a setting says who a process is, and so must differ. */
export const isIdentity = (name) => IDENTITY.test(name) || /port_start$/.test(name);

/** The settings of a node; an MP server before 0.5.6 has them at another path. */
async function settingsOf(node, options) {
  if (node.kind !== "mp") return getJson(nodePath(node, "/conf"), options);
  try {
    return await getJson(nodePath(node, "/config"), options);
  } catch (error) {
    if (error.status !== 404) throw error;
    return getJson(nodePath(node, "/conf"), options);
  }
}

/** Rows of settings: [{name, groups: [[value, keys], ...]}], the most common value first. */
export function settingRows(configs) {
  const names = [...new Set(configs.flatMap(([, conf]) => Object.keys(conf)))].sort(byName);
  return names.map((name) => {
    const by = new Map();
    for (const [key, conf] of configs) {
      const text = name in conf ? show(conf[name]) : "(absent)";
      by.set(text, [...(by.get(text) || []), key]);
    }
    return { name, groups: [...by].sort((a, b) => b[1].length - a[1].length) };
  });
}

/** The nodes that have a value, to show beside it; no name is broken at its hyphens. */
function namesOf(keys) {
  const room = keys.length === MOST_NAMES + 1 ? keys.length : MOST_NAMES; // not "and 1 more"
  const more = keys.length - room;
  const shown = keys.slice(0, room);
  return h(
    "span",
    { class: "muted" },
    " · ",
    shown.map((key, i) => [
      i ? " " : "",
      h("span", { class: "whole" }, i < shown.length - 1 ? `${key},` : key),
    ]),
    more > 0 ? ` and ${plain(more)} more` : "",
  );
}

export class SettingsCard {
  /** `widened` is called when all settings are asked for instead of one. */
  constructor(signal, widened) {
    this.keys = [];
    this.only = ""; // the one setting that is asked for
    this.found = null; // {configs, mute}
    this.isWhole = false; // all settings are shown
    this.isWaiting = false; // for nodes that have settings
    this.timer = 0;
    this.abort = null;
    this.note = h("span", { class: "progress", "aria-live": "polite" });
    this.box = h("div");
    const redraw = () => this.#draw();
    this.equal = h("input", { type: "checkbox", onchange: redraw });
    this.identity = h("input", { type: "checkbox", onchange: redraw });
    this.button = online(
      button("Compare settings", () => this.compare(), { kind: "small" }),
      signal,
    );
    this.all = button("Show all settings", () => this.#widen(widened), { kind: "small" });
    this.all.hidden = true;
    this.about = h("p", { class: "muted" });
    this.title = h("h2", {}, TITLE);
    this.element = h(
      "section",
      { class: "panel", "aria-label": TITLE },
      h(
        "header",
        { class: "panel-head" },
        this.title,
        presentNote(signal, "Current values"),
        this.about,
        h(
          "div",
          { class: "panel-tools" },
          h("label", { class: "inline" }, this.equal, "Show equal settings"),
          h("label", { class: "inline" }, this.identity, "Show IDs, ports and paths"),
          this.button,
          this.all,
        ),
      ),
      this.note,
      this.box,
    );
    this.#ready();
    signal.addEventListener("abort", () => this.#stop());
  }

  /** Show one setting alone, also where it is equal; all that differ with "". */
  showOnly(name) {
    this.only = name;
    this.all.hidden = !name;
    for (const box of [this.equal, this.identity]) box.parentNode.hidden = Boolean(name);
    const title = name ? `Setting ${name}` : TITLE;
    setText(this.title, title);
    this.element.setAttribute("aria-label", title);
    if (name && !this.found) this.#compareSoon();
    this.#draw();
  }

  #widen(widened) {
    this.showOnly("");
    widened();
  }

  /** What can be compared now; `isBusy` while it is. */
  #ready(isBusy = false) {
    const isNone = this.keys.length < 2;
    const needs = "Select at least two nodes above";
    const why = isNone && whyNone([...store.byKey.values()], needs);
    setText(this.about, why || "between the selected nodes");
    setOff(this.button, isNone || isBusy);
  }

  #stop() {
    clearTimeout(this.timer);
    if (this.abort) this.abort.abort();
  }

  /** Other nodes are selected; a few are compared without being asked to. */
  choose(keys) {
    if (keys.join() === this.keys.join()) return;
    this.keys = keys;
    this.isWhole = false;
    this.#stop();
    this.#ready();
    if (this.#isAtOnce()) this.#compareSoon();
    else this.#forget();
  }

  /** Few nodes are compared without being asked to, and one setting of many. */
  #isAtOnce() {
    const { length } = this.keys;
    return length > 1 && (length <= UNASKED || this.only !== "");
  }

  #compareSoon() {
    clearTimeout(this.timer);
    if (this.#isAtOnce()) this.timer = setTimeout(() => this.compare(), PAUSE);
  }

  /** What was compared before is no result for the nodes that are selected now. */
  #forget() {
    this.found = null;
    this.isWaiting = false;
    setText(this.note, "");
    replace(this.box);
  }

  /** The states of nodes may be others than before. */
  update() {
    if (this.keys.length < 2) this.#ready();
    if (this.isWaiting && this.keys.length <= UNASKED) this.compare();
  }

  async compare() {
    const chosen = this.keys.map((key) => store.byKey.get(key)).filter(Boolean);
    const fits = ({ state, kind }) => state !== "down" && READABLE.includes(kind);
    const nodes = chosen.filter(fits);
    if (this.abort) this.abort.abort();
    this.isWaiting = nodes.length < 2;
    if (this.isWaiting) {
      this.#ready();
      this.found = null;
      setText(this.note, "");
      const needs = "Select at least two reachable nodes that have settings.";
      replace(this.box, empty(whyNone(chosen, needs)));
      return;
    }
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.#ready(true);
    const found = { configs: [], mute: [] };
    await each(
      nodes,
      (node) => settingsOf(node, { signal, timeout: TIMEOUT }),
      (node, conf, error) => {
        if (signal.aborted) return;
        if (conf && typeof conf === "object") found.configs.push([node, conf]);
        else found.mute.push([node.key, error ? error.message : "no settings"]);
        const count = found.configs.length + found.mute.length;
        setText(this.note, `Loaded: ${plain(count)} of ${plural(nodes.length, "node")}`);
      },
      8,
    );
    if (signal.aborted) return;
    this.#ready();
    this.found = found;
    this.#draw();
  }

  /** Rows of all nodes; an MP server's settings are others than an engine's. */
  #rows() {
    const of = (mp) =>
      this.found.configs
        .filter(([node]) => (node.kind === "mp") === mp)
        .map(([node, conf]) => [node.key, mp ? flatten(conf) : conf])
        .sort((a, b) => byName(a[0], b[0]));
    return [...settingRows(of(false)), ...settingRows(of(true))];
  }

  #draw() {
    if (!this.found) return;
    const all = this.#rows();
    if (this.only) {
      this.#drawOnly(all.filter(({ name }) => name === this.only));
      return;
    }
    const differing = all.filter((row) => row.groups.length > 1);
    const natural = differing.filter((row) => isIdentity(row.name));
    const real = differing.filter((row) => !isIdentity(row.name));
    const { configs, mute } = this.found;
    const silent = mute.length ? ` ${muteText(mute)}` : "";
    if (!configs.length && store.error) {
      setText(this.note, `Not loaded: ${store.error}.`);
      replace(this.box);
      return;
    }
    if (configs.length < 2) {
      setText(this.note, silent);
      replace(this.box);
      return;
    }
    const equal = all.filter(({ groups: [[, keys], more] }) => !more && keys.length > 1).length;
    const counts = { differ: real.length, natural: natural.length, equal };
    const isMp = ([node]) => node.kind === "mp";
    const keys = (list) => list.map(([node]) => node.key);
    const servers = keys(configs.filter(isMp));
    const others = keys(configs.filter((one) => !isMp(one)));
    setText(this.note, countText(counts, others, servers) + silent);
    const shown = all.filter(
      (row) =>
        (this.equal.checked || row.groups.length > 1) &&
        (this.identity.checked || !isIdentity(row.name)),
    );
    this.#show(shown);
  }

  #drawOnly(rows) {
    const { configs, mute } = this.found;
    const count = plural(configs.length, "node");
    const said = rows.length ? `Compared on ${count}.` : `None of ${count} reports it.`;
    setText(this.note, said + (mute.length ? ` ${muteText(mute)}` : ""));
    this.#show(rows);
  }

  #show(rows) {
    const first = this.isWhole ? rows : rows.slice(0, MOST_ROWS);
    const showAll = () => {
      this.isWhole = true;
      this.#draw();
    };
    const label = `Show all ${plain(rows.length)}`;
    const all = first.length < rows.length ? button(label, showAll, { kind: "small" }) : null;
    replace(this.box, first.length ? settingTable(first) : null, all);
  }
}

/**
 * "2 settings differ between 10 nodes, besides 3 that are IDs, ports or paths; 107 are equal.", and
 * which of the nodes, MP servers and others, have nothing in common. Both are lists of keys.
 */
export function countText({ differ, natural, equal }, others, servers) {
  const compared = [others, servers].filter((keys) => keys.length > 1);
  if (!compared.length)
    return `${others[0]} and ${servers[0]}, an MP server, have no settings in common.`;
  const nodes = `between ${plural(compared.flat().length, "node")}`;
  const kind = natural === 1 ? "that is an ID, port or path" : "that are IDs, ports or paths";
  const first = differ
    ? `${plural(differ, "setting")} ${differ === 1 ? "differs" : "differ"} ${nodes}`
    : `No settings differ ${nodes}`;
  const rest = natural ? `, besides ${plain(natural)} ${kind}` : "";
  const are = `${plain(equal)} ${equal === 1 ? "is" : "are"}`;
  return `${first}${rest}; ${are} equal.${apartText(others, servers)}`;
}

/** MP servers have other settings than all other nodes: what is therefore not compared. */
function apartText(others, servers) {
  if (!others.length || !servers.length) return "";
  if (servers.length === 1) return ` ${servers[0]} is not compared: it is the only MP server.`;
  if (others.length === 1) return ` ${others[0]} is not compared: the others are MP servers.`;
  return " MP servers are compared only with each other.";
}

/** Which nodes sent no settings, and why; a reason that several have is told once. */
function muteText(mute) {
  const reasons = [...new Set(mute.map(([, reason]) => reason))];
  const parts = reasons.map((reason) => {
    const keys = mute.filter(([, one]) => one === reason).map(([key]) => key);
    return `${keys.length > 3 ? plural(keys.length, "node") : keys.join(", ")}: ${reason}`;
  });
  return `No settings from ${parts.join("; ")}.`;
}

function settingTable(rows) {
  const head = (text) => h("th", { scope: "col" }, text);
  return h(
    "div",
    {
      class: "scroll drift",
      tabindex: "0",
      role: "region",
      "aria-label": "Table of settings",
    },
    h(
      "table",
      { class: "plain" },
      h("thead", {}, h("tr", {}, head("Setting"), head("Most common value"), head("Other values"))),
      h("tbody", {}, rows.map(settingRow)),
    ),
  );
}

/** Whether no value is more common than the next one: then none is an outlier. */
const isTie = ([[, first], second]) => Boolean(second) && first.length === second[1].length;

/** A row of the table; in a tie no value is the most common one, and all are "other values". */
export function settingRow({ name, groups }) {
  const tie = isTie(groups);
  const label = (text) => ({ dataset: { label: text } }); // where there is no room for a head
  const [most, keys] = groups[0];
  const others = tie ? groups : groups.slice(1);
  const count = h("span", { class: "muted" }, ` · ${plural(keys.length, "node")}`);
  const common = tie
    ? h("span", { class: "muted" }, "no majority")
    : [breakable(most), others.length ? count : null];
  return h(
    "tr",
    {},
    h("th", { scope: "row", class: "mono" }, breakable(name)),
    h("td", { class: "mono", ...label("Most common value") }, common),
    h(
      "td",
      { class: "mono", ...label("Other values") },
      others.map(([text, nodes]) =>
        h("div", {}, tie ? "" : "◆\u00a0", breakable(text), namesOf(nodes)),
      ),
    ),
  );
}
