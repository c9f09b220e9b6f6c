// The shell: side tree, top bar, router.

import { field, fitted, nodeLink, nodeOf, stateMark, toast } from "./controls.js";
import { h, icon, replace, setText } from "./dom.js";
import { clock, fullTime } from "./format.js";
import {
  getToken,
  loadSession,
  notify,
  poll,
  recall,
  refreshNow,
  remember,
  setPaused,
  setRefresh,
  setToken,
  store,
  subscribe,
  takeTokenFromAddress,
  trusted,
} from "./server.js";
import { STATE_ORDER } from "./words.js";
import * as cluster from "./views/cluster.js";

const VIEWS = {
  cluster: () => cluster, // the view of the first picture waits for nothing
  node: () => import("./views/node.js"),
  compare: () => import("./views/compare.js"),
  many: () => import("./views/many.js"),
  nodes: () => import("./views/nodes.js"),
};

takeTokenFromAddress();

// ---- parts of the shell: those of index.html, brought to life ------------

const part = (selector) => document.querySelector(selector);
const main = part("main");
const banner = part(".banner");
const lastAnswer = part(".last-answer");
const pauseButton = part("#pause");
const refreshButton = part("#refresh");
const intervalBox = part("#interval");
const themeButton = part("#theme");
const lockButton = part(".lock");
const searchInput = part("#node-search");
const found = part("#found");
const menuButton = part(".menu-button");
const places = part(".places");
const treeBox = part(".side-tree");
const sideTools = part(".side-tools");
const side = part("#side");
const refreshTools = part(".refresh-tools");

menuButton.addEventListener("click", () =>
  openMenu(!document.body.classList.contains("menu-open")),
);
part(".shade").addEventListener("click", () => openMenu(false));
pauseButton.addEventListener("click", () => setPaused(!store.paused));
refreshButton.addEventListener("click", async () => {
  refreshButton.disabled = true;
  await refreshNow();
  refreshButton.disabled = false;
});
intervalBox.addEventListener("change", () => setRefresh(Number(intervalBox.value)));
intervalBox.value = String(store.interval);
themeButton.addEventListener("click", nextTheme);
lockButton.addEventListener("click", unlock);
lastAnswer.addEventListener("pointerenter", () => {
  lastAnswer.title = store.received ? `Last answer of the server: ${fullTime(store.received)}` : "";
});

function openMenu(open) {
  const leaves =
    document.body.classList.contains("menu-open") && !open && side.contains(document.activeElement);
  document.body.classList.toggle("menu-open", open);
  menuButton.setAttribute("aria-expanded", String(open));
  if (open) side.querySelector("a").focus({ preventScroll: true });
  if (leaves) menuButton.focus({ preventScroll: true });
}
for (const place of [main, menuButton.parentNode])
  place.addEventListener("focusin", () => {
    if (document.body.classList.contains("menu-open")) openMenu(false);
  });

/** On a telephone the bar has no room for the time and the interval: they stand in the menu. */
const telephone = matchMedia("(max-width: 560px)");
function placeTools() {
  if (telephone.matches) sideTools.append(lastAnswer, intervalBox);
  else {
    refreshTools.prepend(lastAnswer);
    refreshTools.append(intervalBox);
  }
}
telephone.addEventListener("change", placeTools);
placeTools();

// ---- theme, lock --------------------------------------------------------

function drawTheme() {
  const choice = document.documentElement.dataset.themeChoice;
  const label = { system: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" }[
    choice
  ];
  replace(themeButton, icon({ system: "auto", light: "sun", dark: "moon" }[choice]));
  themeButton.title = label;
  themeButton.setAttribute("aria-label", `${label}. Change`);
}

function nextTheme() {
  const next = { system: "light", light: "dark", dark: "system" }[
    document.documentElement.dataset.themeChoice
  ];
  remember("theme", next);
  dispatchEvent(new Event("lmcache-theme"));
  drawTheme();
}

async function unlock() {
  if (trusted() && !getToken()) {
    const trust =
      store.session.trust === "everyone"
        ? "Everyone who reaches this page may change things."
        : "This browser runs on the server's own host, so it may change things.";
    toast(trust);
    return;
  }
  if (trusted()) {
    setToken("");
    await loadSession();
    toast(
      trusted()
        ? "Token forgotten; this host is trusted all the same"
        : "Locked: the token is forgotten",
    );
    return;
  }
  const { formDialog } = await import("./dialog.js");
  await formDialog({
    title: "Unlock",
    action: "Unlock",
    build: (body) =>
      body.append(
        h("p", {}, store.session ? store.session.reason : "The server did not say why."),
        field(
          "Token",
          h("input", { name: "token", type: "password", autocomplete: "off", spellcheck: "false" }),
          "Kept for this tab only. It was printed when the frontend started.",
        ),
      ),
    submit: async (form) => {
      setToken(form.elements.token.value.trim());
      await loadSession();
      if (!trusted()) {
        const reason = store.session ? store.session.reason : "no answer";
        setToken("");
        await loadSession();
        throw Object.assign(new Error(reason), { field: "token" });
      }
      toast("Unlocked for this tab", "good");
    },
  });
}

function drawLock() {
  const session = store.session;
  if (!session) return; // empty, it is not seen but keeps its place
  const label = session.trusted
    ? getToken()
      ? "Unlocked"
      : session.trust === "everyone"
        ? "Open"
        : "Trusted"
    : "Locked";
  lockButton.classList.toggle("locked", !session.trusted);
  lockButton.removeAttribute("aria-label");
  lockButton.title = session.trusted ? "You may change things" : session.reason || "";
  if (lockButton.dataset.label !== label) {
    lockButton.dataset.label = label;
    replace(lockButton, icon(session.trusted ? "unlock" : "lock"), h("span", {}, label));
  }
}

// ---- finding a node -----------------------------------------------------

let hits = [];
let chosen = -1;

function find() {
  const words = searchInput.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  hits =
    words.length && store.status
      ? store.status.nodes
          .filter((node) =>
            words.every((word) =>
              `${node.key} ${node.kind} ${node.instance || ""} ${node.address} ${node.model || ""}`
                .toLowerCase()
                .includes(word),
            ),
          )
          .map((node) => [
            words.every((word) => node.key.toLowerCase().includes(word)) ? 0 : 1,
            node,
          ])
          .sort((a, b) => a[0] - b[0])
          .map(([, node]) => node)
          .slice(0, 12)
      : []; // names before addresses
  chosen = hits.length ? 0 : -1;
  drawFound(words.length > 0);
}

function drawFound(open) {
  found.hidden = !open;
  searchInput.setAttribute("aria-expanded", String(open));
  replace(
    found,
    hits.length
      ? hits.map((node, i) =>
          h(
            "li",
            {
              id: `found-${i}`,
              role: "option",
              "aria-selected": String(i === chosen),
              onpointerdown: (event) => {
                event.preventDefault();
                goTo(node);
              },
            },
            stateMark(node.state, true),
            h("b", { class: "tree-name" }, fitted(node.key)),
            h("span", { class: "muted" }, node.kind === "unknown" ? "" : node.kind),
          ),
        )
      : h(
          "li",
          { class: "muted", role: "option", "aria-selected": "false" },
          "No node of that name",
        ),
  );
  if (chosen >= 0) searchInput.setAttribute("aria-activedescendant", `found-${chosen}`);
  else searchInput.removeAttribute("aria-activedescendant");
}

function goTo(node) {
  const route = parseRoute();
  location.hash = nodeLink(node, route.view === "node" ? route.panel : "overview");
  searchInput.value = "";
  find();
  searchInput.blur();
}

searchInput.addEventListener("input", find);
searchInput.addEventListener("blur", () => {
  found.hidden = true;
  searchInput.setAttribute("aria-expanded", "false");
});
searchInput.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && hits[chosen]) goTo(hits[chosen]);
  else if (event.key === "Escape") {
    searchInput.value = "";
    find();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && hits.length) {
    event.preventDefault();
    chosen = (chosen + (event.key === "ArrowDown" ? 1 : hits.length - 1)) % hits.length;
    drawFound(true);
  }
});
addEventListener("keydown", (event) => {
  const typing =
    event.target instanceof Element &&
    event.target.closest("input, textarea, select, [contenteditable]");
  if (
    event.key === "/" &&
    !typing &&
    !event.ctrlKey &&
    !event.metaKey &&
    !document.querySelector("dialog[open]")
  ) {
    event.preventDefault();
    searchInput.focus();
  }
  if (event.key === "Escape") openMenu(false);
});

// ---- the tree at the side -----------------------------------------------

const TREE_LIMIT = 60; // nodes of a group listed at the side; the table has them all
let treeSig = "";
let treeItems = new Map(); // group or key of a node -> its mark

function groupsOf(status) {
  const groups = new Map();
  for (const node of status.nodes) {
    const local = node.proxy === "local_proxy";
    const id = local ? `i:${node.instance || ""}` : `p:${node.proxy}`;
    if (!groups.has(id))
      groups.set(id, {
        id,
        label: local ? node.instance || "Nodes" : node.proxy,
        proxy: local ? "" : node.proxy,
        nodes: [],
      });
    groups.get(id).nodes.push(node);
  }
  for (const proxy of status.proxies || []) {
    const id = `p:${proxy.name}`;
    if (proxy.name !== "local_proxy" && !groups.has(id))
      groups.set(id, { id, label: proxy.name, proxy: proxy.name, nodes: [] });
  }
  const lone = groups.get("i:");
  if (lone && groups.size > 1) lone.label = "no instance";
  return [...groups.values()];
}

function worst(nodes) {
  return nodes.reduce(
    (state, node) => (STATE_ORDER[node.state] < STATE_ORDER[state] ? node.state : state),
    nodes.length ? "up" : "unknown",
  );
}

function drawTree() {
  const status = store.status;
  if (!status) return;
  const groups = groupsOf(status);
  const proxies = new Map((status.proxies || []).map((proxy) => [proxy.name, proxy]));
  const stateOf = (group) =>
    group.proxy && proxies.get(group.proxy) && proxies.get(group.proxy).state === "down"
      ? "down"
      : worst(group.nodes);
  const sig = groups
    .map((group) => `${group.id}:${group.nodes.map((node) => node.key).join(",")}`)
    .join(";");
  if (sig !== treeSig) {
    treeSig = sig;
    treeItems = new Map();
    const closed = new Set(JSON.parse(recall("tree.closed", "[]")));
    replace(
      treeBox,
      groups.map((group) => {
        const mark = h("span");
        const list = h("ul");
        const box = h(
          "details",
          { open: !closed.has(group.id) && status.nodes.length <= 300 },
          h(
            "summary",
            {},
            mark,
            h("span", { class: "tree-name", title: group.label }, fitted(group.label)),
            h("span", { class: "muted count" }, group.nodes.length),
          ),
          list,
        );
        if (box.open) listNodes(list, group);
        box.addEventListener("toggle", () => {
          if (box.open && !list.firstChild) {
            listNodes(list, group);
            markPlace();
            drawTree();
          }
          if (box.open) closed.delete(group.id);
          else closed.add(group.id);
          remember("tree.closed", JSON.stringify([...closed]));
        });
        treeItems.set(group.id, mark);
        return box;
      }),
    );
    markPlace();
  }
  const put = (mark, state) => {
    if (mark.dataset.state !== state) {
      mark.dataset.state = state;
      replace(mark, stateMark(state, true));
    }
  };
  for (const group of groups) {
    put(treeItems.get(group.id), stateOf(group));
    for (const node of group.nodes.slice(0, TREE_LIMIT))
      if (treeItems.has(node.key)) put(treeItems.get(node.key), node.state);
  }
}

/** The links of a group, made when it is first opened. */
function listNodes(list, group) {
  const more = group.nodes.length - TREE_LIMIT;
  replace(
    list,
    group.nodes.slice(0, TREE_LIMIT).map((node) => {
      const mark = h("span");
      treeItems.set(node.key, mark);
      return h(
        "li",
        {},
        h(
          "a",
          { href: nodeLink(node), title: node.key, dataset: { key: node.key } },
          mark,
          h("span", { class: "tree-name" }, fitted(node.name)),
        ),
      );
    }),
    more > 0
      ? h(
          "li",
          {},
          h(
            "a",
            { class: "muted", href: `#/?group=${encodeURIComponent(group.id)}` },
            `${more} more …`,
          ),
        )
      : null,
    group.nodes.length ? null : h("li", { class: "muted pad" }, "tells of no nodes"),
  );
}

function markPlace() {
  const route = parseRoute();
  for (const link of places.querySelectorAll("a")) {
    if (link.dataset.view === route.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const link of treeBox.querySelectorAll("a[data-key]")) {
    const here = route.view === "node" && link.dataset.key === route.key;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    link.href = `#/node/${encodeURIComponent(link.dataset.key)}/${route.view === "node" ? route.panel : "overview"}`;
  }
}

// ---- time of the last answer, a lost server, the title ---------------------

function drawTop() {
  const label = store.paused ? "Resume auto-refresh" : "Pause auto-refresh";
  if (pauseButton.title !== label) {
    pauseButton.title = label;
    pauseButton.setAttribute("aria-label", label);
    replace(pauseButton, icon(store.paused ? "play" : "pause"));
  }
  setText(
    lastAnswer,
    store.received
      ? store.paused
        ? `paused ${clock(store.received)}`
        : clock(store.received)
      : "…",
  );
  banner.hidden = !store.error;
  if (store.error) {
    const wait = Math.max(0, Math.ceil(store.retryAt - Date.now() / 1000));
    const since = store.received ? ` What you see is of ${clock(store.received)}.` : "";
    if (!banner.firstChild)
      banner.append(
        h("span", {}),
        h("span", { "aria-hidden": "true" }),
        h("button", { type: "button", class: "small", onclick: () => poll() }, "Try now"),
      );
    setText(banner.children[0], `■ No connection: ${store.error}.${since}`);
    setText(banner.children[1], wait ? `Next try in ${wait} s.` : "Trying …");
  }
  document.body.classList.toggle("offline", Boolean(store.error));
  const counts = store.status && store.status.counts;
  const where = parseRoute();
  const place =
    where.view === "node"
      ? `${where.key} · `
      : where.view === "cluster"
        ? ""
        : `${places.querySelector(`[data-view="${where.view}"]`).textContent} · `;
  document.title = store.error
    ? "no connection · LMCache"
    : counts
      ? `${counts.down ? `${counts.down} down · ` : counts.degraded ? `${counts.degraded} degraded · ` : ""}${place}LMCache`
      : "LMCache";
}

// ---- router -------------------------------------------------------------

/** The address after #: {view, key, panel, query}. */
export function parseRoute() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const words = path.split("/").map((word) => {
    try {
      return decodeURIComponent(word);
    } catch (error) {
      return word;
    }
  });
  const query = new URLSearchParams(search);
  if (words[0] === "node" && words[1])
    return { view: "node", key: words[1], panel: words[2] || "overview", query };
  if (words[0] in VIEWS && words[0] !== "node" && words[0] !== "cluster")
    return { view: words[0], query };
  return { view: "cluster", query };
}

let current = null; // {id, abort, view}

async function route() {
  const to = parseRoute();
  document.documentElement.dataset.view = to.view;
  const id = to.view === "node" ? `node/${to.key}` : to.view;
  openMenu(false);
  markPlace();
  drawTop();
  if (current && current.id === id && current.view) {
    if (current.view.go) current.view.go(to);
    return;
  }
  if (current) current.abort.abort();
  const abort = new AbortController();
  const mine = { id, abort, view: null };
  const moved = current !== null;
  current = mine;
  main.classList.add("changing");
  try {
    const module = await VIEWS[to.view]();
    if (current !== mine) return;
    if (to.view !== "cluster" || !part(".first")) replace(main);
    if (moved) scrollTo(0, 0);
    mine.view = module.mount(main, { route: to, signal: abort.signal });
    if (store.status && mine.view.update) mine.view.update(store.status);
    if (moved) main.focus({ preventScroll: true });
  } catch (error) {
    if (current !== mine) return;
    current = null; // the next try builds it anew
    replace(
      main,
      h(
        "div",
        { class: "empty" },
        h("p", {}, `This view could not be loaded: ${error.message}`),
        h("button", { type: "button", onclick: route }, "Try again"),
      ),
    );
    console.error(error);
  } finally {
    main.classList.remove("changing");
  }
}

function draw() {
  drawLock();
  drawTop();
  if (current && current.view && current.view.update && store.status)
    current.view.update(store.status);
  if (treeSig) drawTree();
  else requestAnimationFrame(() => setTimeout(drawTree)); // the first time after the view's figures are painted
}

addEventListener("hashchange", () => {
  if (/^#token=/.test(location.hash)) {
    takeTokenFromAddress();
    loadSession();
  }
  route();
});
subscribe(draw);
addEventListener("lmcache-unlock", unlock);
setInterval(() => {
  if (store.error) drawTop();
}, 1000);
drawTheme();
addEventListener("lmcache-theme", drawTheme);
const first = poll();
route(); // while the server answers
// The first figures need no session, and should not wait for its answer to be drawn.
first.finally(loadSession);
export { notify, nodeOf };
