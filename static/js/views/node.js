// One node: its head, and one panel at a time, loaded when it is first seen. A proxy node has such
// a page too.

import { button, empty, lockNote, nodeLink, nodeOf, setState } from "../controls.js";
import { h, replace, setText } from "../dom.js";
import { clock, duration, format, fullTime, middle } from "../format.js";
import {
  ApiError,
  getText,
  nodePath,
  parseJson,
  refreshNow,
  request,
  sendJson,
  store,
} from "../server.js";
import { keepAnswer, keptAnswer, lacking } from "../panels/util.js";

const STYLE = "static/panels.css";
if (!document.querySelector(`link[href="${STYLE}"]`))
  document.head.append(h("link", { rel: "stylesheet", href: STYLE }));

const PANELS = {
  overview: ["Overview", () => import("../panels/overview.js")],
  metrics: ["Metrics", () => import("../panels/metrics.js")],
  threads: ["Threads", () => import("../panels/threads.js")],
  loglevels: ["Log levels", () => import("../panels/loglevels.js")],
  config: ["Config", () => import("../panels/config.js")],
  meta: ["Meta", () => import("../panels/meta.js")],
  inference: ["Inference", () => import("../panels/inference.js")],
  environment: ["Environment", () => import("../panels/environment.js")],
  cache: ["Cache", () => import("../panels/cache.js")],
  script: ["Script", () => import("../panels/script.js")],
  requests: ["Requests", () => import("../panels/requests.js")],
};

// What a kind of server has no endpoint for is not offered as a tab; its address works and says why
// there is nothing.
const NO_TAB = {
  mp: ["meta", "inference"],
  coordinator: ["threads", "loglevels", "meta", "inference", "environment", "script"],
  controller: ["config", "meta", "inference"],
  discovery: [
    "metrics",
    "threads",
    "loglevels",
    "config",
    "meta",
    "inference",
    "environment",
    "cache",
    "script",
  ],
  frontend: [
    "threads",
    "loglevels",
    "config",
    "meta",
    "inference",
    "environment",
    "cache",
    "script",
  ],
};
// Panels that change the node: without trust they say so.
const CHANGES = ["loglevels", "config", "cache", "script"];
const READ_ONLY = ["mp", "coordinator"]; // kinds whose configuration cannot be set
const GONE = [0, 502, 504]; // statuses that say that nobody answered

/** The node of that key, or the proxy node of that name in the shape of a node. */
function find(key) {
  const node = nodeOf(key);
  if (node) return node;
  const proxy =
    store.status &&
    (store.status.proxies || []).find((one) => one.name === key && one.name !== "local_proxy");
  if (!proxy) return undefined;
  const address = String(proxy.port).includes("/")
    ? String(proxy.port)
    : `${proxy.host}:${proxy.port}`;
  return {
    ...proxy,
    key,
    kind: "frontend",
    proxy: "local_proxy",
    address,
    path: `/proxy2/${encodeURIComponent(key)}`,
    metrics: {},
    series: {},
    reasons: [],
    instance: "",
    role: "",
    model: "",
    version: "",
    source: "",
    polled: null,
  };
}

export function mount(root, { route, signal }) {
  const key = route.key;
  const title = h("h1", {}, middle(key, 60));
  const mark = h("span");
  const line = h("span", { class: "muted about-line" });
  const trouble = h("div", { role: "status" });
  const tabs = h("nav", { class: "tabs", "aria-label": "Panels of this node" });
  const past = h("p", { class: "note", role: "status", hidden: true });
  const locked = h("div", { hidden: true }, lockNote(signal));
  const place = h("div");
  let tabSig = "";
  let troubleSig = "";
  let now = null; // {name, abort, panel}
  let panelName = route.panel;
  let missing = null;
  let lastState = "";
  title.title = key;
  replace(
    root,
    h(
      "div",
      { class: "page-head" },
      title,
      mark,
      line,
      button(h("span", {}, "Ask now"), () => refreshNow(key), { image: "refresh", kind: "small" }),
    ),
    trouble,
    tabs,
    locked,
    past,
    place,
  );

  function drawTabs(node) {
    const absent = NO_TAB[node.kind] || [];
    const names = Object.keys(PANELS).filter(
      (name) => !absent.includes(name) || name === panelName,
    );
    const sig = names.join() + panelName;
    if (sig === tabSig) return;
    tabSig = sig;
    const focused = tabs.contains(document.activeElement);
    replace(
      tabs,
      names.map((name) =>
        h(
          "a",
          {
            href: nodeLink(node, name),
            class: absent.includes(name) ? "absent" : null,
            "aria-current": name === panelName ? "page" : null,
            dataset: { label: PANELS[name][0] },
          },
          PANELS[name][0],
        ),
      ),
    );
    const here = tabs.querySelector("[aria-current]");
    if (here && focused) here.focus({ preventScroll: true });
    if (here && tabs.scrollWidth > tabs.clientWidth)
      tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - 40;
    fade();
  }

  /** On a narrow screen the tabs fade where more of them are a swipe away. */
  const fade = () =>
    tabs.classList.toggle("more", tabs.scrollLeft + tabs.clientWidth < tabs.scrollWidth - 1);
  tabs.addEventListener("scroll", fade, { passive: true });
  new ResizeObserver(fade).observe(tabs);
  tabs.addEventListener("keydown", (event) => {
    const links = [...tabs.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: links.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    links[(to + links.length) % links.length].focus();
  });

  async function show(name, anew = false) {
    panelName = name;
    const node = find(key);
    if (!node) return;
    drawTabs(node);
    if (now && now.name === name && !anew) return;
    if (now) now.abort.abort();
    const abort = new AbortController();
    const mine = { name, abort, panel: null, unasked: false };
    now = mine;
    sayPast(0);
    locked.hidden = !CHANGES.includes(name) || (name === "config" && READ_ONLY.includes(node.kind));
    if (!PANELS[name]) {
      replace(
        place,
        empty(
          `There is no panel “${name}”.`,
          h("a", { class: "button", href: nodeLink(node) }, "Overview"),
        ),
      );
      return;
    }
    try {
      const module = await PANELS[name][1]();
      if (now !== mine) return;
      replace(place);
      mine.panel = module.mount(place, context(mine)) || {};
      if (mine.panel.update) mine.panel.update(find(key), store.status);
    } catch (error) {
      if (now !== mine) return;
      now = null;
      replace(
        place,
        empty(
          `This panel could not be loaded: ${error.message}`,
          button("Try again", () => show(name)),
        ),
      );
      console.error(error);
    }
  }

  /** Say that a panel shows what the node told at an earlier time; 0: it does not. */
  function sayPast(time) {
    past.hidden = !time;
    place.classList.toggle("past", Boolean(time));
    if (time) setText(past, `Below is what the node told this page at ${clock(time)}.`);
  }

  /** What a panel gets: the node, the signal of its life, and ways to ask the node. */
  function context(mine) {
    const node = () => find(key) || missing;
    const options = (more) => ({ signal: mine.abort.signal, ...more });
    // What was asked once is really asked the second time: Refresh always asks.
    const asked = new Set();

    async function text(path, more) {
      const reads = !more && !/[?&]level=/.test(path);
      if (!reads) return getText(nodePath(node(), path), options(more));
      const first = !asked.has(path);
      asked.add(path);
      const lack = first ? lacking(node().kind, path) : "";
      if (lack) throw new ApiError(`Not offered: ${lack}.`, 0);
      const old = keptAnswer(node(), path);
      if (first && node().state === "down") {
        mine.unasked = true;
        if (!old)
          throw new ApiError("Not asked, because the node is down. Refresh asks all the same.", 0);
        sayPast(old.time);
        return old.text;
      }
      try {
        const answer = await getText(nodePath(node(), path), options());
        keepAnswer(node(), path, answer);
        if (now === mine) sayPast(0);
        return answer;
      } catch (error) {
        if (!old || !GONE.includes(error.status) || mine.abort.signal.aborted) throw error;
        mine.unasked = true;
        sayPast(old.time);
        return old.text;
      }
    }

    return {
      node,
      text,
      signal: mine.abort.signal,
      json: async (path, more) => {
        const raw = await text(path, more);
        try {
          return { data: parseJson(raw), raw };
        } catch (error) {
          throw new ApiError("the answer is not JSON", 200, "", raw);
        }
      },
      send: (method, path, object) => sendJson(method, nodePath(node(), path), object, options()),
      request: (path, more) => request(nodePath(node(), path), options(more)),
    };
  }

  function update(status) {
    const node = find(key);
    if (!node) {
      if (now) {
        now.abort.abort();
        now = null;
      }
      replace(tabs);
      tabSig = "";
      replace(trouble);
      troubleSig = "";
      replace(mark);
      mark.dataset.state = "";
      setText(line, "");
      if (!place.querySelector(".empty"))
        replace(
          place,
          empty(
            `The frontend knows no node called “${key}”.`,
            h("a", { class: "button", href: "#/" }, "All nodes"),
            h("a", { class: "button", href: "#/nodes" }, "Add a node"),
          ),
        );
      return;
    }
    missing = node;
    const healed = lastState === "down" && node.state !== "down";
    lastState = node.state;
    setState(mark, node.state);
    const about = [
      node.kind === "unknown" ? "" : node.kind,
      node.instance,
      node.version,
      middle(node.address || "", 30),
      node.proxy === "local_proxy" ? "" : `through ${node.proxy}`,
      node.state === "up" && node.since ? `since ${clock(node.since)}` : "",
      node.latency !== null && node.state !== "down" ? format(node.latency, "seconds") : "",
    ].filter(Boolean);
    if (line.textContent !== about.join(" · "))
      replace(
        line,
        about.map((one, i) => [i ? " · " : null, h("span", { class: "gap" }, one)]),
      );
    const sig = JSON.stringify([
      node.state,
      node.error,
      node.reasons,
      node.since,
      node.state === "down" ? Math.floor((status.time - node.since) / 10) : 0,
    ]);
    if (sig !== troubleSig) {
      troubleSig = sig;
      const why = node.reasons && node.reasons.length ? node.reasons.join("; ") : node.error;
      replace(
        trouble,
        node.state === "down"
          ? h(
              "p",
              { class: "note down" },
              h("b", {}, "Down "),
              `since ${clock(node.since)} (${duration(status.time - node.since)})`,
              why ? `: ${why}.` : ".",
            )
          : node.state === "degraded"
            ? h(
                "p",
                { class: "note degraded" },
                h("b", {}, "Degraded "),
                h("span", { title: fullTime(node.since) }, `since ${clock(node.since)}`),
                why ? `: ${why}.` : ".",
              )
            : node.state === "unknown"
              ? h("p", { class: "note" }, "Not asked yet.")
              : null,
      );
    }
    if (!now) show(panelName);
    else if (healed && now.unasked) show(panelName, true);
    else {
      drawTabs(node);
      if (now.panel && now.panel.update) now.panel.update(node, status);
    }
  }

  signal.addEventListener("abort", () => {
    if (now) now.abort.abort();
  });
  return { update, go: ({ panel }) => show(panel) };
}
