// One node: its head, and one panel at a time, loaded when it is first seen.

import { getText, nodePath, parseJson, request, sendJson, ApiError } from "../api.js";
import { h, replace, setText } from "../dom.js";
import { clock, duration, fullTime, format, middle } from "../format.js";
import { refreshNow, store } from "../state.js";
import { button, empty, nodeLink, nodeOf, setState } from "../ui.js";

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

// What a kind of server has no endpoint for is not offered as a tab.
const LACKING = {
  mp: ["meta", "inference"],
  coordinator: ["threads", "loglevels", "meta", "inference", "environment", "script"],
  controller: ["config", "meta", "inference"],
  discovery: ["metrics", "threads", "loglevels", "config", "meta", "inference", "environment", "cache", "script"],
};

export function mount(root, { route, signal }) {
  const key = route.key;
  const title = h("h1", {}, middle(key, 60));
  const mark = h("span");
  const line = h("span", { class: "muted" });
  const trouble = h("div", { role: "status" });
  const tabs = h("nav", { class: "tabs", "aria-label": "Panels of this node" });
  const place = h("div");
  let tabSig = "";
  let troubleSig = "";
  let now = null; // {name, abort, panel}
  let panelName = route.panel;
  let missing = null;
  title.title = key;
  replace(root, h("div", { class: "page-head" }, title, mark, line, h("span", { class: "spring" }), button("Ask now", () => refreshNow(key), { image: "refresh", kind: "small" })), trouble, tabs, place);

  function drawTabs(node) {
    const lacking = LACKING[node.kind] || [];
    const names = Object.keys(PANELS).filter((name) => !lacking.includes(name));
    const sig = names.join() + panelName;
    if (sig === tabSig) return;
    tabSig = sig;
    replace(tabs, names.map((name) => h("a", { href: nodeLink(node, name), "aria-current": name === panelName ? "page" : null }, PANELS[name][0])));
    const here = tabs.querySelector("[aria-current]");
    if (here && tabs.scrollWidth > tabs.clientWidth) tabs.scrollLeft = here.offsetLeft - tabs.offsetLeft - 40;
  }

  async function show(name) {
    panelName = name;
    const node = nodeOf(key);
    if (!node) return;
    drawTabs(node);
    if (now && now.name === name) return;
    if (now) now.abort.abort();
    const abort = new AbortController();
    const mine = { name, abort, panel: null };
    now = mine;
    if (!PANELS[name]) { replace(place, empty(`There is no panel “${name}”.`, h("a", { class: "button", href: nodeLink(node) }, "Overview"))); return; }
    try {
      const module = await PANELS[name][1]();
      if (now !== mine) return;
      replace(place);
      mine.panel = module.mount(place, context(abort.signal)) || {};
      if (mine.panel.update) mine.panel.update(nodeOf(key), store.status);
    } catch (error) {
      if (now !== mine) return;
      now = null;
      replace(place, empty(`This panel could not be loaded: ${error.message}`, button("Try again", () => show(name))));
      console.error(error);
    }
  }

  /** What a panel gets: the node, the signal of its life, and ways to ask the node. */
  function context(panelSignal) {
    const node = () => nodeOf(key) || missing;
    const options = (more) => ({ signal: panelSignal, ...more });
    return {
      node, signal: panelSignal,
      text: (path, more) => getText(nodePath(node(), path), options(more)),
      json: async (path, more) => {
        const raw = await getText(nodePath(node(), path), options(more));
        try { return { data: parseJson(raw), raw }; } catch (error) { throw new ApiError("the answer is not JSON", 200, "", raw); }
      },
      send: (method, path, object) => sendJson(method, nodePath(node(), path), object, options()),
      request: (path, more) => request(nodePath(node(), path), options(more)),
    };
  }

  function update(status) {
    const node = nodeOf(key);
    if (!node) {
      if (now) { now.abort.abort(); now = null; }
      replace(tabs);
      tabSig = "";
      replace(trouble);
      troubleSig = "";
      replace(mark);
      mark.dataset.state = "";
      setText(line, "");
      if (!place.querySelector(".empty")) replace(place, empty(`The frontend knows no node called “${key}”.`, h("a", { class: "button", href: "#/" }, "All nodes"), h("a", { class: "button", href: "#/nodes" }, "Add a node")));
      return;
    }
    missing = node;
    setState(mark, node.state);
    setText(line, [node.kind === "unknown" ? "" : node.kind, node.instance, node.version, node.address, node.latency !== null && node.state !== "down" ? `answers in ${format(node.latency, "seconds")}` : ""].filter(Boolean).join(" · "));
    const sig = JSON.stringify([node.state, node.error, node.reasons, node.since, node.state === "down" ? Math.floor((status.time - node.since) / 10) : 0]);
    if (sig !== troubleSig) {
      troubleSig = sig;
      const why = node.reasons && node.reasons.length ? node.reasons.join("; ") : node.error;
      replace(trouble, node.state === "down" ? h("p", { class: "note down" }, h("b", {}, "Down "), `since ${clock(node.since)} (${duration(status.time - node.since)})`, why ? `: ${why}.` : ".", " What you see below is what it last told.")
        : node.state === "degraded" ? h("p", { class: "note degraded" }, h("b", {}, "Degraded "), h("span", { title: fullTime(node.since) }, `since ${clock(node.since)}`), why ? `: ${why}.` : ".")
          : node.state === "unknown" ? h("p", { class: "note" }, "Not asked yet.") : null);
    }
    if (!now) show(panelName);
    else { drawTabs(node); if (now.panel && now.panel.update) now.panel.update(node, status); }
  }

  signal.addEventListener("abort", () => { if (now) now.abort.abort(); });
  return { update, go: ({ panel }) => show(panel) };
}
