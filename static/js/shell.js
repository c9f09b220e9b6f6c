// What stands around the views: the top bar with search, time range, theme, help and lock; the list
// of nodes at the side; the banner of a lost server; the page's title.

import {
  bounds,
  fixedLink,
  mendRange,
  onRange,
  parseRoute,
  setFixed,
  setLast,
  SPANS,
  timeRange,
} from "./address.js";
import {
  copy,
  field,
  fitted,
  nodeLink,
  noConnection,
  opened,
  outlierTag,
  pageToast,
  stateMark,
  toast,
  updateOutlierTag,
} from "./controls.js";
import { h, icon, replace, setText } from "./dom.js";
import { byName, clock, duration, plain, plural, serverNow, spanText } from "./format.js";
import {
  frontendsOf,
  getToken,
  instanceName,
  loadSession,
  poll,
  recall,
  refreshNow,
  remember,
  setToken,
  store,
  trusted,
} from "./server.js";
import { stateRank, worstState } from "./words.js";
import { alertsOn, outliersIn } from "./views/instances.js";

const part = (selector) => document.querySelector(selector);
const banner = part(".banner");
const themeButton = part("#theme");
const lockButton = part(".lock");
const menuButton = part(".menu-button");
const side = part("#side");
const rangeTools = part(".range");
const narrow = matchMedia("(max-width: 700px)"); // where the range has a row, as in style.css
const KEPT = 3600; // seconds of history that every server has
const NODE_LIMIT = 60; // nodes of a group that are listed; the table has them all
const MANY_GROUPS = 24; // from here on only what needs attention is listed by name
const ATTENTION_LIMIT = 12;

// ---- the time range ----

const spans = h("span", { class: "seg", role: "group", "aria-label": "Time range" });
const spanBox = h("select", { class: "span-box", "aria-label": "Time range" });
const CUSTOM = "Custom range";
const customButton = h("button", { type: "button", title: CUSTOM, "aria-haspopup": "dialog" });
const liveButton = h("button", { type: "button", class: "live" });
const linkButton = h(
  "button",
  { type: "button", class: "bare", title: "Copy link", "aria-label": "Copy link to this view" },
  icon("link"),
);

/** The spans that the server has figures for. */
export function offeredSpans() {
  const kept = (store.status && store.status.history_seconds) || KEPT;
  const fitting = SPANS.filter(([, , seconds]) => seconds <= kept * 1.01);
  return fitting.length ? fitting : SPANS.slice(0, 1);
}

function toggleLive() {
  const range = timeRange();
  if (!range.live) {
    setLast(lastSpan());
    return;
  }
  const { start, end } = bounds(serverNow());
  setFixed(start, end);
}

/** Ask for a range from one time to another. */
export async function chooseRange() {
  const module = await opened(() => import("./views/timerange.js"));
  if (!module) return;
  await module.askRange();
  // In a narrower page another control stands for a fixed range.
  for (const one of [customButton, spanBox])
    if (document.activeElement === document.body) one.focus();
}

function lastSpan() {
  const found = SPANS.find(([name]) => name === recall("last", "1h"));
  return (found || SPANS[1])[2];
}

let drawnRange = "";

/** Whether the page is as live as its range. */
function liveWord() {
  if (store.error) return "Offline";
  return store.isLate ? "Delayed" : "Live";
}

function drawRange() {
  const range = timeRange();
  // A link may ask for a longer range than there is.
  const asked = range.live ? SPANS.filter(([, , seconds]) => seconds === range.seconds) : [];
  const choices = [...new Set([...offeredSpans(), ...asked])];
  const word = liveWord();
  const signature = JSON.stringify([range, choices.map(([name]) => name), word]);
  if (signature === drawnRange) return;
  drawnRange = signature;
  const here = (seconds) => range.live && range.seconds === seconds;
  replace(
    spans,
    choices.map(([, label, seconds]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(here(seconds)),
          onclick: () => setLast(seconds),
        },
        label,
      ),
    ),
    customButton,
  );
  // A link may have a live range that no button has.
  const odd = range.live && !choices.some(([, , seconds]) => here(seconds));
  const said = odd ? `Last ${duration(range.seconds)}` : spanText(range.from, range.to);
  const isCustom = odd || !range.live;
  replace(customButton, isCustom ? said : icon("range"));
  customButton.className = isCustom ? "custom-range" : "";
  customButton.setAttribute("aria-pressed", String(isCustom));
  if (isCustom) customButton.removeAttribute("aria-label");
  else customButton.setAttribute("aria-label", CUSTOM);
  replace(
    spanBox,
    range.live ? null : h("option", { value: "" }, said),
    odd ? h("option", { value: range.seconds }, said) : null,
    choices.map(([, label, seconds]) => h("option", { value: seconds }, `Last ${label}`)),
    h("option", { value: "custom" }, "Custom …"),
  );
  showSpan();
  liveButton.setAttribute("aria-pressed", String(range.live));
  liveButton.title = range.live ? "Hold this range" : "Follow the current time";
  replace(liveButton, range.live ? [h("i"), word] : "Go live");
}

function showSpan() {
  const { live, seconds } = timeRange();
  spanBox.value = live ? String(seconds) : "";
}

let rangeNote = null; // it is true while the range is the one that it names

/** A link may name a range that cannot be shown: that is said, and the address is put right. */
function checkRange() {
  const fault = store.status && mendRange(serverNow());
  if (!fault) return;
  const shown = `showing the last ${duration(timeRange().seconds)}`;
  rangeNote = pageToast(`The time range of this link is ${fault}: ${shown}.`);
}

function startRange() {
  onRange(() => rangeNote?.remove());
  spanBox.addEventListener("change", () => {
    const isCustom = spanBox.value === "custom";
    if (spanBox.value && !isCustom) setLast(Number(spanBox.value));
    showSpan();
    if (isCustom) chooseRange();
  });
  customButton.addEventListener("click", chooseRange);
  liveButton.addEventListener("click", toggleLive);
  linkButton.addEventListener("click", () => copy(fixedLink(serverNow()), "Link copied"));
  rangeTools.append(spans, spanBox, liveButton, linkButton);
  const place = () =>
    (narrow.matches ? part(".range-row") : part(".range-place")).append(rangeTools);
  narrow.addEventListener("change", place);
  place();
  onRange(drawRange);
}

// ---- the menu of narrow screens ----

export function openMenu(open) {
  const { classList } = document.body;
  const leaves = classList.contains("menu-open") && !open && side.contains(document.activeElement);
  classList.toggle("menu-open", open);
  menuButton.setAttribute("aria-expanded", String(open));
  if (open) side.querySelector("a").focus({ preventScroll: true });
  if (leaves) menuButton.focus({ preventScroll: true });
}

function startMenu() {
  menuButton.addEventListener("click", () =>
    openMenu(!document.body.classList.contains("menu-open")),
  );
  part(".shade").addEventListener("click", () => openMenu(false));
  for (const place of [part("main"), menuButton.parentNode])
    place.addEventListener("focusin", () => {
      if (document.body.classList.contains("menu-open")) openMenu(false);
    });
}

// ---- the list of nodes at the side: by instance, what needs attention first when many ----

const places = part(".places");
const treeBox = part(".side-tree");
let drawnTree = ""; // what the tree was built for
let treeTags = new Map(); // id of a group -> the tag of an outlier
let treeMarks = new Map(); // id of a group, or of a node in it -> its mark
let allAttention = false; // whether all that needs attention is listed

/** A node may be in two groups. */
const idIn = (group, node) => `${group.id}\n${node.key}`;

export const treeIsDrawn = () => drawnTree !== "";

function groupOf(node) {
  if (node.proxy !== "local_proxy") return [`p:${node.proxy}`, node.proxy, "frontend"];
  const name = instanceName(node);
  if (node.kind === "mp") return ["mp", "MP servers", "mp"];
  if (name) return [`i:${name}`, name, "instance"];
  return ["other", "Other nodes", "other"];
}

const LONGEST_TAG = 12; // letters for which there is room beside a name
const KIND_RANK = { instance: 0, mp: 1, other: 2, frontend: 3 };

/**
 * Nodes by instance, MP servers together, what is left, and the nodes of other frontends. An
 * instance has all its nodes, as everywhere: some may be in another group, too.
 */
export function groupsOf(status) {
  const groups = new Map();
  const add = (id, label, kind) => {
    if (!groups.has(id)) groups.set(id, { id, label, kind, nodes: [], state: "unknown" });
    return groups.get(id);
  };
  for (const node of status.nodes) add(...groupOf(node)).nodes.push(node);
  for (const node of status.nodes) {
    const instance = groups.get(`i:${instanceName(node)}`);
    if (instance && !instance.nodes.includes(node)) instance.nodes.push(node);
  }
  for (const proxy of status.proxies || [])
    if (proxy.name !== "local_proxy") add(`p:${proxy.name}`, proxy.name, "frontend");
  const down = new Set(
    (status.proxies || []).filter((one) => one.state === "down").map((one) => `p:${one.name}`),
  );
  for (const group of groups.values())
    group.state = down.has(group.id) ? "down" : worstState(group.nodes);
  if (groups.size === 1 && groups.has("other")) groups.get("other").label = "Nodes";
  return [...groups.values()].sort(
    (a, b) => KIND_RANK[a.kind] - KIND_RANK[b.kind] || byName(a.label, b.label),
  );
}

const byState = (a, b) =>
  stateRank(a.state, a.nodes) - stateRank(b.state, b.nodes) ||
  Boolean(b.alert) - Boolean(a.alert) ||
  byName(a.label, b.label);

/** The key of the node that is shown; "" when none is. */
function shownKey() {
  const { view, key } = parseRoute();
  return view === "node" ? key : "";
}

/** The key of the node that a group itself stands for; "" unless that is a frontend. */
const ownKey = ({ kind, label }) => (kind === "frontend" ? label : "");
const holds = (group, key) =>
  Boolean(key) && (ownKey(group) === key || group.nodes.some((node) => node.key === key));

/**
 * What is listed: [{title, groups, more: how many are left out, and summary lines}]; where only
 * what needs attention is, the group of the node that is shown, too.
 */
function sectionsOf(groups) {
  if (groups.length <= MANY_GROUPS) return [{ title: "", groups, more: 0 }];
  const { status } = store;
  for (const group of groups) {
    if (group.state !== "up") continue;
    const own = group.kind === "instance" ? [group.label] : [];
    group.alert = alertsOn(status, [...own, ...group.nodes.map(({ key }) => key)]);
    if (own.length && !group.alert) group.outlier = outliersIn(status).get(group.label);
  }
  const isBad = (group) => group.state !== "up" || group.alert || group.outlier;
  const bad = groups.filter(isBad).sort(byState);
  const good = groups.filter((group) => !isBad(group));
  const attention = {
    title: "Needs attention",
    groups: bad.slice(0, allAttention ? bad.length : ATTENTION_LIMIT),
    more: Math.max(0, bad.length - ATTENTION_LIMIT),
  };
  const healthy = { title: "Healthy", groups: [], more: 0, summary: summaryOf(good) };
  const key = shownKey();
  const isListed = attention.groups.some((group) => holds(group, key));
  const here = groups.filter((group) => !isListed && holds(group, key)).slice(0, 1);
  const current = { title: "Current node", groups: here, more: 0 };
  return [current, attention, healthy].filter((one) => one.groups.length || one.summary);
}

/** Healthy groups in one line a kind: [text, number of nodes, link, what it does]. */
function summaryOf(groups) {
  const count = (kind) => groups.filter((group) => group.kind === kind);
  const nodes = (list) => list.reduce((sum, group) => sum + group.nodes.length, 0);
  const instances = count("instance");
  const servers = nodes(count("mp"));
  const frontends = count("frontend");
  return [
    [
      plural(instances.length, "instance"),
      nodes(instances),
      "#/?state=up",
      "Show all nodes that are up",
    ],
    [plural(servers, "MP server"), servers, "#/?kind=mp"],
    ["Other nodes", nodes(count("other")), "#/?group=other"],
    [`${plain(frontends.length)} frontends`, nodes(frontends), "#/nodes"],
  ].filter(([, number]) => number);
}

function closedGroups() {
  return new Set(JSON.parse(recall("tree.closed", "[]")));
}

function buildGroup(group, { closed, many }) {
  const mark = h("span");
  const list = h("ul");
  const { text = "" } = group.alert || {};
  const alert = text && h("span", { class: "tag" }, text.length > LONGEST_TAG ? "1 alert" : text);
  const tag = alert || (group.outlier ? outlierTag(group.outlier) : null);
  if (tag) treeTags.set(group.id, tag);
  const summary = h(
    "summary",
    {},
    mark,
    h("span", { class: "tree-name", title: group.label }, fitted(group.label)),
    tag || h("span", { class: "muted count" }, plain(group.nodes.length)),
  );
  const isOpen = many ? holds(group, shownKey()) : !closed.has(group.id);
  const details = h("details", { open: isOpen }, summary, list);
  if (details.open) listNodes(list, group);
  details.addEventListener("toggle", () => {
    if (details.open && !list.firstChild) {
      listNodes(list, group);
      markPlace();
      drawTree();
    }
    if (details.open) closed.delete(group.id);
    else closed.add(group.id);
    if (!many) remember("tree.closed", JSON.stringify([...closed]));
  });
  treeMarks.set(group.id, mark);
  return details;
}

/** Scheduler and engine before the ranks, and both in the order of their names. */
function inOrder(nodes) {
  return [...nodes].sort((a, b) => byName(a.key, b.key));
}

/** The links of a group, made when it is first opened. */
function listNodes(list, group) {
  const key = shownKey();
  const ordered = inOrder(group.nodes);
  const isFar = ordered.findIndex((node) => node.key === key) >= NODE_LIMIT;
  const shown = isFar
    ? [...ordered.slice(0, NODE_LIMIT - 1), ordered.find((node) => node.key === key)]
    : ordered.slice(0, NODE_LIMIT);
  const more = group.nodes.length - shown.length;
  const link = `#/?group=${encodeURIComponent(group.id)}`;
  const own = ownKey(group);
  const about = { href: nodeLink({ key: own }), dataset: { key: own } };
  const frontend = frontendsOf(store.status).find(({ name }) => name === own);
  const none = frontend?.state === "up" ? "reports no nodes" : "its nodes are not known";
  replace(
    list,
    own ? h("li", {}, h("a", about, h("span"), "This frontend")) : null,
    shown.map((node) => {
      const mark = h("span");
      treeMarks.set(idIn(group, node), mark);
      const name = h("span", { class: "tree-name" }, fitted(node.name));
      const props = { href: nodeLink(node), title: node.key, dataset: { key: node.key } };
      return h("li", {}, h("a", props, mark, name));
    }),
    more > 0
      ? h("li", {}, h("a", { class: "muted", href: link }, `and ${plain(more)} more`))
      : null,
    group.nodes.length ? null : h("li", { class: "muted pad" }, none),
  );
}

/** Lists all that needs attention, or the first of it again. */
function moreButton(more) {
  const toggle = () => {
    allAttention = !allAttention;
    drawTree();
    treeBox.querySelector(".side-more")?.focus(); // gone, if all is well by now
  };
  const text = allAttention ? "Show fewer" : `and ${plain(more)} more`;
  return h("button", { type: "button", class: "side-more", onclick: toggle }, text);
}

function buildSection(section, options) {
  return [
    section.title ? h("p", { class: "side-title" }, section.title) : null,
    section.groups.map((group) => buildGroup(group, options)),
    section.more ? moreButton(section.more) : null,
    (section.summary || []).map(([text, number, href, title]) =>
      h(
        "a",
        { class: "side-line", href, title },
        stateMark("up", true),
        h("span", { class: "tree-name" }, text),
        h("span", { class: "muted count" }, plain(number)),
      ),
    ),
  ];
}

function put(mark, state) {
  if (!mark || mark.dataset.state === state) return;
  mark.dataset.state = state;
  replace(mark, stateMark(state, true));
}

export function drawTree() {
  const { status } = store;
  if (!status) return;
  const groups = groupsOf(status);
  const sections = sectionsOf(groups);
  const many = groups.length > MANY_GROUPS;
  const signature = JSON.stringify(
    sections
      .map((section) => [
        section.groups.map((group) => [
          group.id,
          group.nodes.map((node) => node.key),
          group.alert ? group.alert.text : Boolean(group.outlier),
        ]),
        section.more,
        section.summary,
      ])
      .concat(many ? [shownKey(), allAttention] : []),
  );
  if (signature !== drawnTree) {
    drawnTree = signature;
    treeMarks = new Map();
    treeTags = new Map();
    const options = { closed: closedGroups(), many };
    replace(
      treeBox,
      sections.map((section) => buildSection(section, options)),
    );
    markPlace();
  }
  for (const { groups: shown } of sections)
    for (const group of shown) {
      put(treeMarks.get(group.id), group.state);
      const tag = treeTags.get(group.id);
      if (group.alert) tag.title = group.alert.title;
      else if (tag) updateOutlierTag(tag, group.outlier);
      for (const node of group.nodes) put(treeMarks.get(idIn(group, node)), node.state);
    }
}

/** Mark the link of the view that is shown. */
export function markPlace() {
  const route = parseRoute();
  const mark = (link, here) => {
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  };
  for (const link of places.querySelectorAll("a")) mark(link, link.dataset.view === route.view);
  const panel = route.view === "node" ? route.panel : "overview";
  for (const link of treeBox.querySelectorAll("a[data-key]")) {
    mark(link, route.view === "node" && link.dataset.key === route.key);
    link.href = nodeLink({ key: link.dataset.key }, panel);
  }
  scrollToPlace();
}

/** Scroll the list of nodes, and nothing else, to the node that is shown. */
function scrollToPlace() {
  const here = treeBox.querySelector("[aria-current]");
  if (!here || !here.offsetParent) return;
  const [box, link] = [side.getBoundingClientRect(), here.getBoundingClientRect()];
  if (link.top < box.top || link.bottom > box.bottom)
    side.scrollTop += (link.top + link.bottom - box.top - box.bottom) / 2;
}

/** The name of the current view, as the list of places has it. */
export function placeName(view) {
  const link = places.querySelector(`[data-view="${view}"]`);
  return link ? link.textContent : "";
}

// ---- theme ----

const THEMES = {
  system: ["light", "auto", "Theme: system"],
  light: ["dark", "sun", "Theme: light"],
  dark: ["system", "moon", "Theme: dark"],
};
const theme = () => THEMES[document.documentElement.dataset.themeChoice] || THEMES.system;

function drawTheme() {
  const [, image, label] = theme();
  replace(themeButton, icon(image));
  themeButton.title = label;
  themeButton.setAttribute("aria-label", `${label}. Change`);
}

/** Choose "light", "dark" or "system". */
export function setTheme(choice) {
  remember("theme", choice);
  dispatchEvent(new Event("lmcache-theme"));
}

const nextTheme = () => setTheme(theme()[0]);

// ---- the lock ----

const ALREADY = {
  everyone: "Everyone who can open this page may make changes.",
  local: "This browser runs on the frontend’s host, so it may make changes.",
};

async function forgetToken() {
  setToken("");
  await loadSession();
  toast(trusted() ? "Token removed. This host can still make changes." : "Read-only again");
}

function tokenField() {
  const input = h("input", {
    name: "token",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
  });
  const show = h("button", { type: "button", class: "bare", "aria-pressed": "false" }, "Show");
  show.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    setText(show, shown ? "Show" : "Hide");
    show.setAttribute("aria-pressed", String(!shown));
  });
  const hint =
    "The value of --token or LMCACHE_FRONTEND_TOKEN, or the token in the frontend’s start-up " +
    "output. Kept for this tab only.";
  return field("Access token", h("span", { class: "with-button" }, input, show), hint);
}

let refusal = null; // the note about a token that was not accepted
const REFUSED = "This token was not accepted.";
let isTrying = false; // a token was entered: what the server says stands in the dialog

async function tryToken(form) {
  const token = form.elements.token.value.trim();
  if (!token) throw Object.assign(new Error("Enter the access token."), { field: "token" });
  const before = trusted();
  isTrying = true;
  setToken(token);
  await loadSession();
  isTrying = false;
  if (!trusted()) {
    setToken("");
    await loadSession();
    if (before || !trusted())
      throw Object.assign(new Error(store.error ? noConnection() : REFUSED), { field: "token" });
    toast(withoutToken(), "bad");
    return false;
  }
  toast(before ? "Access token accepted for this tab" : "Editing enabled for this tab", "good");
  return true;
}

const EXPLAINED =
  "You can view the cluster without a token. To make changes, run operations or see " +
  "environment variables, enter the access token.";

/** Ask for the access token over what is open; resolves with whether it was accepted. */
export async function askToken(title = "Enable editing", text = EXPLAINED) {
  const dialog = await opened(() => import("./dialog.js"));
  return (
    dialog &&
    dialog.formDialog({
      title,
      action: title,
      isOver: true,
      build: (body) => body.append(h("p", { class: "muted" }, text), tokenField()),
      submit: tryToken,
    })
  );
}

export async function unlock() {
  if (trusted() && !getToken()) {
    toast(ALREADY[store.session.trust] || ALREADY.local);
    return;
  }
  if (trusted()) {
    await forgetToken();
    return;
  }
  await askToken();
  // The note that led here is no more.
  if (document.activeElement === document.body) lockButton.focus();
}

/** What a client may do whose token was not accepted. */
const withoutToken = () =>
  trusted()
    ? `The access token was not accepted. ${ALREADY[store.session.trust] || ALREADY.local}`
    : "The access token was not accepted: this page is read-only.";

/** A token of a link, or of an earlier start of the server, is forgotten, and that is said. */
async function forgetRefused(session) {
  if (session.trusted && refusal) refusal.remove();
  if (!session.refused || isTrying) return;
  session.refused = false;
  setToken("");
  await loadSession();
  refusal = toast(withoutToken(), "bad");
}

function drawLock() {
  const { session } = store;
  if (!session) return; // empty, it is not seen but keeps its place
  forgetRefused(session);
  const label = session.trusted ? "Editing enabled" : "Read-only";
  lockButton.classList.toggle("locked", !session.trusted);
  document.body.classList.toggle("read-only", !session.trusted);
  lockButton.removeAttribute("aria-label");
  lockButton.title = session.trusted
    ? "You may make changes"
    : "Read-only. To make changes, enter the access token.";
  if (lockButton.dataset.label === label) return;
  lockButton.dataset.label = label;
  replace(lockButton, icon(session.trusted ? "unlock" : "lock"), h("span", {}, label));
}

// ---- a lost server, the title ----

function drawBanner() {
  banner.hidden = !store.error;
  document.body.classList.toggle("offline", Boolean(store.error));
  document.body.classList.toggle("late", store.isLate && !store.error);
  if (!store.error) {
    document.documentElement.style.removeProperty("--head");
    return;
  }
  const wait = Math.max(0, Math.ceil(store.retryAt - Date.now() / 1000));
  const since = store.received ? ` Last update: ${clock(store.received)}.` : "";
  if (!banner.firstChild)
    banner.append(
      h("span", {}),
      h("span", { "aria-hidden": "true" }),
      h("button", { type: "button", class: "small", onclick: () => poll() }, "Retry now"),
    );
  setText(banner.children[0], `■ No connection: ${store.error}.${since}`);
  setText(banner.children[1], wait ? `Retrying in ${wait} s.` : "Retrying …");
  // What stays in sight while the page scrolls stays below the banner.
  const head = banner.previousElementSibling.offsetHeight + banner.offsetHeight;
  document.documentElement.style.setProperty("--head", `${head}px`);
}

function titleOf() {
  if (store.error) return "No connection · LMCache";
  const { view, key } = parseRoute();
  const place = view === "node" ? key : view === "cluster" ? "" : placeName(view);
  const { down, degraded } = (store.status && store.status.counts) || {};
  const alerts = ((store.status && store.status.alerts) || []).filter((one) => !one.silence);
  const critical = alerts.filter((one) => one.severity === "critical").length;
  const counts = {
    down,
    critical,
    degraded,
    [alerts.length > 1 ? "alerts" : "alert"]: alerts.length,
  };
  const [worst] = Object.entries(counts).filter(([, count]) => count);
  const state = worst ? `${worst[1]} ${worst[0]}` : "";
  return [state, place, "LMCache"].filter(Boolean).join(" · ");
}

export function drawShell() {
  drawLock();
  checkRange();
  drawRange();
  drawBanner();
  const isDemo = Boolean(store.status && store.status.demo);
  part(".demo-note").hidden = !isDemo;
  part(".range-row").classList.toggle("demo", isDemo); // where there is no room for the note
  document.title = titleOf();
}

// ---- keys ----

const typing = (event) =>
  event.target instanceof Element &&
  event.target.closest("input, textarea, select, [contenteditable]");

async function openPalette() {
  const module = await opened(() => import("./palette.js"));
  if (module) module.palette();
}

async function openHelp() {
  const module = await opened(() => import("./palette.js"));
  if (module) module.help();
}

// The keys of the page; after "g" the letter of a view.
const KEYS = { "/": openPalette, "?": openHelp, r: () => refreshNow(), l: toggleLive };
const PLACES = { c: "#/", e: "#/events", p: "#/compare", b: "#/many", n: "#/nodes" };
const CHORD = 1500; // ms after "g" within which the letter is pressed
let chordUntil = 0;

/** What a key does now; undefined when it means nothing. */
function actionOf({ key, timeStamp }) {
  const isSecond = timeStamp < chordUntil;
  chordUntil = key === "g" && !isSecond ? timeStamp + CHORD : 0;
  if (!isSecond) return KEYS[key];
  const place = PLACES[key];
  return (
    place &&
    (() => {
      location.hash = place;
    })
  );
}

function onKey(event) {
  if (event.key === "Escape") openMenu(false);
  const dialog = document.querySelector("dialog[open]");
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!dialog) openPalette();
    return;
  }
  if (dialog || typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = actionOf(event);
  if (!action) return;
  event.preventDefault();
  action();
}

/** The address names the view, so these links change the focus alone. */
function startSkips() {
  for (const link of document.querySelectorAll(".skip"))
    link.addEventListener("click", (event) => {
      event.preventDefault();
      part(link.hash).focus();
    });
}

export function startShell() {
  startSkips();
  startRange();
  startMenu();
  drawTheme();
  themeButton.addEventListener("click", nextTheme);
  addEventListener("lmcache-theme", drawTheme);
  lockButton.addEventListener("click", unlock);
  addEventListener("lmcache-unlock", unlock);
  part(".find").addEventListener("click", openPalette);
  part("#help").addEventListener("click", openHelp);
  addEventListener("keydown", onKey);
  setInterval(() => {
    if (store.error) drawBanner();
  }, 1000);
}
