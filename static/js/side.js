// The list of nodes at the side: by instance, what needs attention first when there are many.

import { parseRoute } from "./address.js";
import { fitted, nodeLink, stateMark } from "./controls.js";
import { h, replace } from "./dom.js";
import { byName, plain } from "./format.js";
import { instanceName, recall, remember, store } from "./server.js";
import { STATE_ORDER } from "./words.js";

const NODE_LIMIT = 60; // nodes of a group that are listed; the table has them all
const MANY_GROUPS = 24; // from here on only what needs attention is listed by name
const ATTENTION_LIMIT = 12;

const places = document.querySelector(".places");
const box = document.querySelector(".side-tree");
let drawn = ""; // what the tree was built for
let marks = new Map(); // id of a group or key of a node -> its mark

export const treeIsDrawn = () => drawn !== "";

/** The worst state of these nodes. */
export function worstState(nodes) {
  const start = nodes.length ? "up" : "unknown";
  return nodes.reduce(
    (state, node) => (STATE_ORDER[node.state] < STATE_ORDER[state] ? node.state : state),
    start,
  );
}

function groupOf(node) {
  if (node.proxy !== "local_proxy") return [`p:${node.proxy}`, node.proxy, "frontend"];
  const name = instanceName(node);
  if (node.kind === "mp") return ["mp", "MP servers", "mp"];
  if (name) return [`i:${name}`, name, "instance"];
  return ["other", "Other nodes", "other"];
}

const KIND_RANK = { instance: 0, mp: 1, other: 2, frontend: 3 };

/** Nodes by instance, MP servers together, what is left, and the nodes of other frontends. */
export function groupsOf(status) {
  const groups = new Map();
  const add = (id, label, kind) => {
    if (!groups.has(id)) groups.set(id, { id, label, kind, nodes: [], state: "unknown" });
    return groups.get(id);
  };
  for (const node of status.nodes) add(...groupOf(node)).nodes.push(node);
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

const byState = (a, b) => STATE_ORDER[a.state] - STATE_ORDER[b.state] || byName(a.label, b.label);

/** What is listed: [{title, groups, more: how many are left out, and summary lines}]. */
function sectionsOf(groups) {
  if (groups.length <= MANY_GROUPS) return [{ title: "", groups, more: 0 }];
  const bad = groups.filter((group) => group.state !== "up").sort(byState);
  const good = groups.filter((group) => group.state === "up");
  const attention = {
    title: "Needs attention",
    groups: bad.slice(0, ATTENTION_LIMIT),
    more: Math.max(0, bad.length - ATTENTION_LIMIT),
  };
  const healthy = { title: "Healthy", groups: [], more: 0, summary: summaryOf(good) };
  return [attention, healthy].filter((one) => one.groups.length || one.summary);
}

/** Healthy groups in one line a kind: [text, number of nodes, link]. */
function summaryOf(groups) {
  const count = (kind) => groups.filter((group) => group.kind === kind);
  const nodes = (list) => list.reduce((sum, group) => sum + group.nodes.length, 0);
  const instances = count("instance");
  const frontends = count("frontend");
  return [
    [`${plain(instances.length)} instances`, nodes(instances), "#/?state=up"],
    ["MP servers", nodes(count("mp")), "#/?kind=mp"],
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
  const summary = h(
    "summary",
    {},
    mark,
    h("span", { class: "tree-name", title: group.label }, fitted(group.label)),
    h("span", { class: "muted count" }, plain(group.nodes.length)),
  );
  const details = h("details", { open: !many && !closed.has(group.id) }, summary, list);
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
  marks.set(`group ${group.id}`, mark);
  return details;
}

/** Scheduler and engine before the ranks, and both in the order of their names. */
function inOrder(nodes) {
  return [...nodes].sort((a, b) => byName(a.key, b.key));
}

/** The links of a group, made when it is first opened. */
function listNodes(list, group) {
  const shown = inOrder(group.nodes).slice(0, NODE_LIMIT);
  const more = group.nodes.length - shown.length;
  const link = `#/?group=${encodeURIComponent(group.id)}`;
  replace(
    list,
    shown.map((node) => {
      const mark = h("span");
      marks.set(node.key, mark);
      const name = h("span", { class: "tree-name" }, fitted(node.name));
      const props = { href: nodeLink(node), title: node.key, dataset: { key: node.key } };
      return h("li", {}, h("a", props, mark, name));
    }),
    more > 0
      ? h("li", {}, h("a", { class: "muted", href: link }, `and ${plain(more)} more`))
      : null,
    group.nodes.length ? null : h("li", { class: "muted pad" }, "reports no nodes"),
  );
}

function buildSection(section, options) {
  return [
    section.title ? h("p", { class: "side-title" }, section.title) : null,
    section.groups.map((group) => buildGroup(group, options)),
    section.more
      ? h("a", { class: "side-more", href: "#/?state=bad" }, `and ${plain(section.more)} more`)
      : null,
    (section.summary || []).map(([text, number, href]) =>
      h(
        "a",
        { class: "side-line", href },
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
    sections.map((section) => [
      section.groups.map((group) => [group.id, group.nodes.map((node) => node.key)]),
      section.more,
      section.summary,
    ]),
  );
  if (signature !== drawn) {
    drawn = signature;
    marks = new Map();
    const options = { closed: closedGroups(), many };
    replace(
      box,
      sections.map((section) => buildSection(section, options)),
    );
    markPlace();
  }
  for (const { groups: shown } of sections)
    for (const group of shown) {
      put(marks.get(`group ${group.id}`), group.state);
      for (const node of group.nodes) put(marks.get(node.key), node.state);
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
  for (const link of box.querySelectorAll("a[data-key]")) {
    mark(link, route.view === "node" && link.dataset.key === route.key);
    link.href = nodeLink({ key: link.dataset.key }, panel);
  }
}

/** The name of the current view, as the list of places has it. */
export function placeName(view) {
  const link = places.querySelector(`[data-view="${view}"]`);
  return link ? link.textContent : "";
}
