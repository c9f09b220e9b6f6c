// Starts the page: which view is shown, and that all parts follow what the server says.

import { parseRoute } from "./address.js";
import { button, empty, pageToast } from "./controls.js";
import { h, replace } from "./dom.js";
import { middle } from "./format.js";
import {
  loadFailure,
  loadModule,
  loadSession,
  need,
  poll,
  recall,
  remember,
  store,
  subscribe,
  takeTokenFromAddress,
} from "./server.js";
import {
  drawShell,
  drawTree,
  markPlace,
  openMenu,
  placeName,
  startShell,
  treeIsDrawn,
} from "./shell.js";
import { isFigure } from "./words.js";
import * as cluster from "./views/cluster.js";
import { columnFigures } from "./views/instances.js";

const LOADERS = {
  cluster: () => cluster, // the view of the first picture waits for nothing
  events: () => import("./views/events.js"),
  node: () => import("./views/node.js"),
  compare: () => import("./views/compare.js"),
  many: () => import("./views/many.js"),
  nodes: () => import("./views/nodes.js"),
};

// What opens later even while the server is unreachable.
const OTHERS = [
  ...Object.values(LOADERS),
  () => import("./palette.js"),
  () => import("./views/groups.js"),
];
const AT_ONCE = 150; // ms in which a view replaces the one before
const PRELOAD = 3000; // ms after the first status: the first view has what it needs

const main = document.querySelector("main");
let current = null; // {id, abort, view}
let shown = ""; // the part of the address that names the view
let failed = null; // when the last status came before the view could not be loaded

/** The head of a page whose view is not there. */
function headOf({ view, key }) {
  const title = view === "node" ? middle(key, 60) : placeName(view);
  return h("div", { class: "page-head" }, h("h1", {}, title));
}

function showFailure(error) {
  failed = store.received;
  // The banner that is shown while the server is away has a button that tries again.
  const again = error.isUnreachable ? [] : [button("Try again", route)];
  replace(main, headOf(parseRoute()), empty(loadFailure("view", error), ...again));
  console.error(error);
}

/** What a view shows that a list of nodes does not: all of its node, the metric compared. */
function figuresOf({ view, key, query }) {
  if (view === "node") return { node: key };
  if (view === "cluster") return { figures: columnFigures(query.get("sort") || "") };
  const metric = view === "compare" ? query.get("metric") : "";
  return isFigure(metric) ? { figures: [metric] } : {};
}

// ---- the scroll position of each entry of the browser's history ----

// A view has its full height only once its figures are loaded: the browser would scroll too early.
history.scrollRestoration = "manual";
const SETTLING = 3000; // ms in which what is loaded may still move the page
const scrolls = new Map([recall("scroll", "").split(" ").map(Number)]); // place -> px
let place = 0; // the shown entry, named by the time when it was first shown

/** Note the scroll position and go to the next place; returns its position, undefined if new. */
function changePlace() {
  if (current) scrolls.set(place, scrollY);
  place = (history.state || {}).place;
  if (!place) {
    place = Date.now();
    history.replaceState({ place }, "");
  }
  return scrolls.get(place);
}

addEventListener("pagehide", () => remember("scroll", `${place} ${scrollY}`)); // for a reload

/** Scroll there as soon as the page is long enough, unless the user scrolls meanwhile. */
function scrollBack(top = 0, signal) {
  scrollTo(0, top);
  if (!top) return;
  const ended = new AbortController();
  const end = () => ended.abort();
  const growth = new ResizeObserver(() => scrollTo(0, top));
  growth.observe(main);
  ended.signal.addEventListener("abort", () => growth.disconnect());
  signal.addEventListener("abort", end, { signal: ended.signal });
  for (const act of ["wheel", "pointerdown", "keydown"])
    addEventListener(act, end, { signal: ended.signal });
  setTimeout(end, SETTLING);
}

/** Give the view the focus, or its link to the page that one comes back from. */
function focusView(isBack, from) {
  const link = isBack && main.querySelector(`a[href="${CSS.escape(from)}"]`);
  if (link) link.focus({ preventScroll: true });
  if (!link || document.activeElement !== link) main.focus({ preventScroll: true });
}

/** Build the view of the address, unless it is shown already. */
async function open(to, mine, { moved, top, from }) {
  const figures = need(figuresOf(to));
  // The cluster is shown at once; a column that is off at first is filled in when it can be.
  const known = to.view === "cluster" ? null : figures;
  const [module] = await Promise.all([loadModule(LOADERS[to.view]), known]);
  if (current !== mine) return;
  if (to.view !== "cluster" || !document.querySelector(".first")) replace(main);
  const isBack = top !== undefined;
  const about = { signal: mine.abort.signal, isKnown: top > 0, isBack };
  mine.view = module.mount(main, { route: to, ...about });
  if (store.status && mine.view.update) mine.view.update(store.status);
  if (moved) focusView(isBack, from);
  if (moved || top) scrollBack(top, mine.abort.signal);
}

async function route() {
  failed = null;
  const to = parseRoute();
  const from = shown;
  shown = location.hash;
  const top = changePlace();
  document.documentElement.dataset.view = to.view;
  if (to.unknown) pageToast(`There is no page “${to.unknown}”: this is the cluster.`);
  openMenu(false);
  if (treeIsDrawn()) drawTree();
  markPlace();
  drawShell();
  const id = to.view === "node" ? `node/${to.key}` : to.view;
  if (current && current.id === id && current.view) {
    if (current.view.go) current.view.go(to);
    if (top !== undefined) scrollBack(top, current.abort.signal);
    return;
  }
  if (current) current.abort.abort();
  const moved = current !== null;
  const mine = { id, abort: new AbortController(), view: null };
  current = mine;
  const loading = () => replace(main, headOf(to), h("p", { class: "loading" }, "Loading …"));
  const late = moved && setTimeout(() => current === mine && loading(), AT_ONCE);
  try {
    await open(to, mine, { moved, top, from });
  } catch (error) {
    if (current !== mine) return;
    current = null; // the next try builds it anew
    showFailure(error);
  } finally {
    clearTimeout(late);
  }
}

function draw() {
  drawShell();
  if (failed !== null && store.received > failed) route();
  const view = current && current.view;
  if (view && view.update && store.status) view.update(store.status);
  if (treeIsDrawn()) drawTree();
  else requestAnimationFrame(() => setTimeout(drawTree)); // after the view's figures are painted
}

takeTokenFromAddress();
startShell();
addEventListener("hashchange", () => {
  if (/^#token=/.test(location.hash)) {
    takeTokenFromAddress();
    loadSession();
  }
  route();
});
subscribe(draw);
const first = poll();
route(); // while the server answers
first.finally(loadSession); // the first figures need no session and do not wait for it
first.finally(() =>
  setTimeout(() => {
    for (const load of OTHERS) loadModule(load).catch(() => {});
  }, PRELOAD),
);
