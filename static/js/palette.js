// Ctrl-K finds nodes, views and actions; ? shows the keys.

import { parseRoute, setFixed, setLast } from "./address.js";
import {
  copy,
  downloadBundle,
  instanceLink,
  kept,
  kindText,
  nodeLink,
  stateMark,
} from "./controls.js";
import { breakable, h, icon, replace, whole } from "./dom.js";
import { byName, format, plural, serverNow, spanText, untilText, when, within } from "./format.js";
import { spanOf } from "./moments.js";
import {
  getText,
  instanceName,
  refreshNow,
  setRefresh,
  store,
  subscribe,
  trusted,
} from "./server.js";
import { DEFAULTS } from "./panels/defaults.js";
import { chooseRange, offeredSpans, setTheme, unlock } from "./shell.js";
import { alertLines, carefully, sentenceOf, silence } from "./views/alerts.js";
import { changesOf, eventRows, eventText, loadEvents, undoOf } from "./views/eventlist.js";
import { instancesOf, ON_DEMAND } from "./views/instances.js";
import { operationLinks } from "./views/operations.js";
import { instancesWithRanks, ranksLink, worstValues } from "./views/ranks.js";
import {
  figureNames,
  hasPanel,
  KINDS,
  metricLabel,
  metricUnit,
  PANELS,
  SETTABLE,
  SEVERITIES,
  STATE_ORDER,
} from "./words.js";

const MOST_NODES = 8;
const MOST_OTHERS = 10;
const FEW_NODES = 3; // so few that all panels of the first one are offered
const MOST_PANELS = 4; // of the first one of more nodes
const MOST_ALERTS = 3;
const MOST_CHANGES = 3;
const CHANGES_OF = 86400; // seconds back in which a setting may have changed
const INTERVALS = [2, 5, 10, 30]; // seconds
const HOUR = 3600; // seconds for which an alert is silenced
const PAGE = 8; // results that PageDown and PageUp pass over
const MANUAL = "static/help.html";
const MOST_MANUAL = 3; // sections of it
const LEAST_LETTERS = 3; // of a word that is searched for in the manual, or across a name
const THEMES = ["dark", "light", "system"];
const MOST_RANKS = 4; // instances whose ranks are compared
const MOST_WORST = 3; // figures whose worst node is named
const MOST_COMPARED = 2; // settings
const SUPERLATIVES = "worst highest lowest slowest";
const TERMS = ["Figures", "Settings"]; // groups of names that consist of words

const VIEWS = [
  ["Cluster", "#/"],
  ["Events", "#/events"],
  ["Compare", "#/compare", "nodes"],
  ["Bulk actions", "#/many"],
  ["Cache operations", "#/many?tab=cache"],
  ["Rollout", "#/many?tab=rollout", "of a setting"],
  ["Nodes", "#/nodes", "add, edit, remove"],
];

/** What is compared, as it is searched for. */
const PRESETS = [
  ["Compare the worst nodes", "#/compare?preset=worst"],
  ["Compare the worst node of each instance", "#/compare?preset=instances"],
];

/** What is done to many nodes, as it is searched for. */
const BULK = [
  ["Bulk action: set a log level", "#/many?action=loglevel"],
  ["Bulk action: change a setting", "#/many?action=setting"],
  ["Bulk action: freeze (store nothing new)", "#/many?action=freeze"],
  ["Bulk action: bypass a backend", "#/many?action=bypass"],
  ["Bulk action: clear the cache", "#/many?action=clear"],
];
const ADD = [["Add a node or a frontend", "#/nodes?add=1"]];

/** [keys, what they do]: a space separates keys, a comma alternatives. */
const KEYS = [
  ["Ctrl K, /", "search nodes, settings, actions and more"],
  ["?", "show this list"],
  ["G C, G E, G P", "go to Cluster, Events, Compare"],
  ["G B, G N", "go to Bulk actions, Nodes"],
  ["R", "refresh: poll all nodes now"],
  ["L", "hold the time range, or follow the current time"],
  ["Ctrl Enter", "in the search: open in a new tab"],
  ["Esc", "close a menu or dialog, or clear a selection"],
  ["← →", "on a chart: read the values; on the fleet map: move"],
  ["Shift ← →, Enter", "on a chart: choose a span, then zoom all charts"],
  ["Alt ←", "go back: undo a zoom"],
];

const NO_MATCH =
  "No match. Search for a node, an instance, a panel of a node (“worker2 log”), a setting, a " +
  "figure (“worst p99”), a time (“04:12”, “12:00-12:10”), an alert, a view, a word of the " +
  "manual, or an action such as “silence” or “dark”.";

const go = (href) => () => {
  location.hash = href.slice(1);
};

// ---- what can be found ----

/**
 * Where the words match in a text: [[from, to], ...], null when one does not. "work2" matches
 * "worker2": the letters and the digits may stand apart in one word of the text, in this order;
 * those of a short one in one part of a name: "w2" matches "llama_worker2", "l2" does not.
 */
export function matches(text, words) {
  const lower = text.toLowerCase();
  const spans = [];
  for (const word of words) {
    const from = placeOf(word, lower, 0);
    if (from >= 0) {
      spans.push([from, from + word.length]);
      continue;
    }
    const places = word.length < LEAST_LETTERS ? /[a-z0-9]+/g : /\S+/g;
    const found = partsIn(lower, places, word.match(/\d+|\D+/g) || []);
    if (!found) return null;
    spans.push(...found);
  }
  return spans.sort((a, b) => a[0] - b[0]);
}

/** Where a word begins in a text; its first digit is the first of a number: "2" is not in "12". */
function placeOf(word, text, from) {
  let at = text.indexOf(word, from);
  while (at > 0 && /^\d/.test(word) && /\d/.test(text[at - 1])) at = text.indexOf(word, at + 1);
  return at;
}

/** Where the parts stand one after the other in one of the places of a text; null without one. */
function partsIn(text, places, parts) {
  for (const { 0: word, index } of text.matchAll(places)) {
    let from = 0;
    const spans = [];
    for (const part of parts) {
      const at = placeOf(part, word, from);
      if (at < 0) break;
      from = at + part.length;
      spans.push([index + at, index + from]);
    }
    if (spans.length === parts.length) return spans;
  }
  return null;
}

/**
 * The text with its matches as <mark>; its names are not broken at their hyphens. A name alone is
 * broken after a separator when no line can hold it.
 */
export function highlighted(text, words) {
  const spans = matches(text, words) || [];
  const isName = !text.includes(" ");
  let at = 0;
  return text.split(/( )/).map((word) => {
    const start = at;
    at += word.length;
    const inside = spans.filter(([from, to]) => from >= start && to <= at);
    const marked = markedWord(
      word,
      inside.map(([from, to]) => [from - start, to - start]),
      isName ? breakable : String,
    );
    return /\w[-/]\w/.test(word) ? h("span", { class: "whole" }, marked) : marked;
  });
}

function markedWord(word, spans, write) {
  const out = [];
  let from = 0;
  for (const [start, end] of spans) {
    if (start < from) continue;
    out.push(write(word.slice(from, start)), h("mark", {}, write(word.slice(start, end))));
    from = end;
  }
  return [...out, write(word.slice(from))];
}

/**
 * How well all words match, null is not at all: 0 from the start of the text, 1 from the starts of
 * words, 2 inside of words, 3 when letters and digits stand apart.
 */
export function matchRank(text, words) {
  const found = matches(text, words);
  if (!found) return null;
  if (beginsWords(text, words)) return found.length && found[0][0] === 0 ? 0 : 1;
  return words.every((word) => placeOf(word, text.toLowerCase(), 0) >= 0) ? 2 : 3;
}

/** The parts of a name; numbers without leading zeros, so that 7 and 07 find 007. */
const inWords = (text) =>
  ` ${text.toLowerCase().replace(/[^a-z0-9]/g, " ")}`.replace(/(?<= )0+(?=\d)/g, "");

/** Whether each of `words` begins a part of a name: "evic" is not meant to find "device". */
export const beginsWords = (text, words) =>
  words.every((word) => inWords(text).includes(inWords(word)));

function nodeEntries(words) {
  if (!words.length || !store.status) return [];
  // Fewer digits than those of a port are meant for a name.
  const meansAddress = words.some((word) => /[.:/]|\d{4}/.test(word));
  const found = store.status.nodes.flatMap((node) => {
    const name = matchRank(node.key, words);
    const { key, kind, address, model, state } = node;
    const where = [instanceName(node), meansAddress ? address : ""];
    const more = [key, kind, ...where, model, state === "up" ? "" : state].join(" ");
    if (name !== null) return [[name, node, more]];
    return beginsWords(more, words) ? [[4, node, more]] : [];
  });
  const orderOf = ([, { state }]) => STATE_ORDER[state] ?? 2;
  return found
    .sort((a, b) => a[0] - b[0] || orderOf(a) - orderOf(b)) // what needs attention first
    .slice(0, MOST_NODES)
    .map(([, node, also]) => ({ ...nodeEntry(node), also }));
}

function nodeEntry(node) {
  const { view, panel } = parseRoute();
  const href = nodeLink(node, view === "node" ? panel : "overview");
  const note = [node.state, kindText(node), node.role].filter((one) => one && one !== "–");
  return {
    group: "Nodes",
    mark: stateMark(node.state, true),
    text: node.key,
    note: [...new Set(note)].join(" · "),
    href,
    act: go(href),
    node,
  };
}

/** Panels of nodes, for words that name both: "worker2 log"; of some nodes for a panel alone. */
function nodePanelEntries(words, isAlone = false) {
  if (!store.status) return [];
  const labels = Object.values(PANELS);
  const isPanel = (word) => word.length > 1 && labels.some((label) => beginsWords(label, [word]));
  const named = words.filter(isPanel);
  const rest = words.filter((word) => !isPanel(word));
  if (!named.length || isAlone === rest.length > 0) return [];
  const meant = (entry) => beginsWords(entry.text, named);
  const isWell = (node) => node.state === "up";
  const panels = Object.keys(PANELS).filter((name) => beginsWords(PANELS[name], named));
  const isMeant = (node) =>
    isAlone
      ? node.state !== "down" && panels.some((name) => hasPanel(node.kind, name))
      : matchRank(node.key, rest) !== null;
  const nodes = store.status.nodes.filter(isMeant);
  const ordered = nodes.sort((a, b) => isWell(a) - isWell(b)).slice(0, MOST_NODES);
  return ordered.flatMap((node) =>
    panelEntries(node)
      .filter(meant)
      .map(({ text, href, act }) => ({
        ...nodeEntry(node),
        text: `${node.key}: ${text}`,
        href,
        act,
      })),
  );
}

const panelsOfSome = (words) =>
  nodePanelEntries(words, true)
    .slice(0, MOST_PANELS)
    .map((entry) => ({ ...entry, group: "Panels" }));

/** The settings, and what else of a node, that a row of events says to have changed. */
const changedIn = ({ alike, changes }) =>
  (alike || [{ changes }]).flatMap((event) => Object.keys(event.changes || {}));

/**
 * What changed lately, as its event and as a comparison of the instance's nodes; "undo" finds every
 * change. Entries whose text contains the words come first.
 */
function changeEntries(words, rows) {
  if (!words.length) return [];
  const isMeant = (name) => words.join() === "undo" || beginsWords(name, words);
  const found = rows.filter((row) => changedIn(row).some(isMeant));
  const entries = found.slice(0, MOST_CHANGES).flatMap((row) => {
    const node = store.byKey.get(row.node);
    const instance = node ? instanceName(node) : store.instances.get(row.instance);
    const kind = node ? node.kind : "worker";
    const peers = store.status.nodes.filter(
      (one) => one.kind === kind && instance && instanceName(one) === instance,
    );
    const names = peers.map((one) => one.key).join(",");
    const look = { group: "Changes", image: "change" };
    const event = "#/events?kind=changed";
    const compare = `#/compare?nodes=${encodeURIComponent(names)}`;
    const setting = changedIn(row).find(isMeant);
    const text = `Compare ${setting} on nodes of ${instance}`;
    const change = changesOf(row).find((one) => one.setting === setting);
    const undo = change && undoOf(change);
    const back = undo && undo.href && { text: undo.says, href: undo.href, act: go(undo.href) };
    return [
      { ...look, text: eventText(row), note: when(row.time), href: event, act: go(event) },
      ...(back ? [{ ...look, ...back, note: when(row.time) }] : []),
      ...(peers.length > 1 ? [{ ...look, text, href: compare, act: go(compare) }] : []),
    ];
  });
  const texts = entries.map((entry) => entry.text);
  const isSaid = ({ text }) => matches(text, words) !== null;
  return entries
    .filter((entry, i) => entry.note || texts.indexOf(entry.text) === i)
    .sort((a, b) => isSaid(b) - isSaid(a));
}

function instanceEntries() {
  return (store.status ? instancesOf(store.status) : []).map(({ name, state, nodes }) => {
    const href = instanceLink(name);
    const note = `${state} · ${plural(nodes.length, "node")}`;
    return {
      group: "Instances",
      mark: stateMark(state, true),
      text: name,
      note,
      also: "instance",
      href,
      act: go(href),
    };
  });
}

function panelEntries(node) {
  if (!node) return [];
  const names = Object.keys(PANELS).filter((name) => hasPanel(node.kind, name));
  return names.map((name) => {
    const href = nodeLink(node, name);
    const group = `Panels of ${node.key}`;
    return { group, image: "page", text: PANELS[name], href, act: go(href) };
  });
}

/** The lines of the active alerts, the worst first. */
const activeLines = () =>
  alertLines(((store.status && store.status.alerts) || []).filter((one) => !one.silence));

function alertEntries() {
  return activeLines().map((line) => {
    const {
      alerts: [alert],
      severity,
      nodes,
    } = line;
    const instance = store.instances.get(alert.instance);
    const place = instance ? instanceLink(instance) : "#/";
    const href = alert.node ? nodeLink({ key: alert.node }) : place;
    const { word, state } = SEVERITIES[severity] || SEVERITIES.info;
    const mark = stateMark(state, true);
    mark.lastChild.remove(); // the note says how grave it is: no node need be in that state
    const look = { mark, note: word.toLowerCase() };
    const also = nodes.join(" ");
    return { group: "Alerts", ...look, text: sentenceOf(line), also, href, act: go(href) };
  });
}

let manual = null; // the sections of the manual: [{title, href, text}], once it is asked for

/** Load the manual: each heading with what stands below it is a section. */
async function loadManual() {
  if (manual) return;
  manual = [];
  let page;
  try {
    page = new DOMParser().parseFromString(await getText(MANUAL), "text/html");
  } catch (error) {
    manual = null; // the next search asks again
    return;
  }
  let chapter = null;
  const isHeading = ({ tagName }) => ["H2", "H3"].includes(tagName);
  manual = [...page.querySelectorAll("main :is(h2, h3)")].map((heading) => {
    if (heading.tagName === "H2") chapter = heading;
    const title = [...new Set([chapter, heading])].map((one) => one.textContent).join(": ");
    let text = title;
    for (let one = heading.nextElementSibling; one && !isHeading(one); one = one.nextElementSibling)
      text += ` ${one.textContent}`;
    return { title, href: `${MANUAL}#${heading.id || chapter.id}`, text: text.toLowerCase() };
  });
}

function manualEntry(text, href) {
  const act = () => open(href, "_blank", "noopener");
  return { group: "Manual", image: "page", text, note: "manual", href, act };
}

/** What the manual says to do about the active alerts. */
function remedyEntries(words) {
  const rules = [...new Set(activeLines().map(({ rule }) => rule))];
  return rules
    .map((rule) => manualEntry(`What to do: ${rule.replace(/_/g, " ")}`, `${MANUAL}#do-${rule}`))
    .filter(({ text }) => words.length && matchRank(text, words) !== null)
    .slice(0, MOST_MANUAL);
}

/** The sections of the manual in which all words stand; those first whose titles have them. */
function sectionEntries(words) {
  if (words.join("").length < LEAST_LETTERS) return [];
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  return (manual || [])
    .filter(({ text }) => has(text))
    .sort((a, b) => has(b.title) - has(a.title))
    .slice(0, MOST_MANUAL)
    .map(({ title, href }) => manualEntry(title, href));
}

/** Figures lead to their chart, settings to the Config of a node. */
function termEntries(chosen, changes) {
  const figures = figureNames().map((name) => {
    const href = `#/compare?metric=${name}`;
    const text = metricLabel(name);
    return {
      group: "Figures",
      image: "page",
      text,
      also: name,
      note: "Compare",
      href,
      act: go(href),
    };
  });
  const nodes = [chosen, ...((store.status && store.status.nodes) || [])];
  const hasThem = (one) => one && SETTABLE.includes(one.kind);
  const first = nodes.find((one) => hasThem(one) && one.state !== "down");
  const settings = [...DEFAULTS.keys()].map((name) => {
    const change = changes.find((row) => changedIn(row).includes(name));
    const changed = change && store.byKey.get(change.node);
    const node = (hasThem(chosen) && chosen) || changed || first;
    const href = node ? `${nodeLink(node, "config")}?q=${name}` : "#/many?tab=rollout";
    const note = node ? `Config of ${node.key}` : "Rollout";
    return { group: "Settings", image: "page", text: name, note, href, act: go(href) };
  });
  return [...figures, ...settings];
}

const operationEntries = () =>
  viewEntries(
    operationLinks(store.status ? store.status.nodes : []).map(({ label, kind, href }) => [
      `Cache operation: ${within(label)}`,
      href,
      KINDS[kind],
    ]),
    "Bulk actions",
  );

function viewEntries(list, group = "Views") {
  return list.map(([text, href, note = ""]) => ({
    group,
    image: "page",
    text,
    note,
    also: note,
    href,
    act: go(href),
  }));
}

const asCompare = (text, href, more = {}) => ({
  group: "Compare",
  image: "page",
  text,
  href,
  act: go(href),
  ...more,
});

const asksCompare = (word) => word.length >= LEAST_LETTERS && "compare".startsWith(word);

/** The ranks of instances, those of the chosen node's first; without words only these. */
function rankEntries(words, chosen) {
  const { nodes } = store.status;
  const here = chosen ? instanceName(chosen) : "";
  const textOf = (name) => `Compare ranks of ${name}`;
  return instancesWithRanks(nodes)
    .filter((name) => (words.length ? matches(textOf(name), words) : name === here))
    .sort((a, b) => (b === here) - (a === here))
    .slice(0, MOST_RANKS)
    .map((name) => asCompare(textOf(name), ranksLink(name)));
}

/** The worst node by a figure, for "worst p99", and the other bad ones. */
function worstEntries(words) {
  const asksWorst = (word) => word.length >= LEAST_LETTERS && beginsWords(SUPERLATIVES, [word]);
  if (!words.some(asksWorst)) return [];
  const rest = words.filter((word) => !asksWorst(word) && !asksCompare(word));
  return figureNames()
    .filter((name) => beginsWords(`${metricLabel(name)} ${name}`, rest))
    .map((name) => [name, ...worstValues(store.status.nodes, name).slice(0, 1)])
    .filter(([name, worst]) => worst || ON_DEMAND.includes(name))
    .slice(0, MOST_WORST)
    .flatMap(([name, worst]) => {
      const label = metricLabel(name);
      const also = `${SUPERLATIVES} ${name}`;
      const others = `#/compare?metric=${name}&preset=worst`;
      const compare = asCompare(`Compare nodes with the worst ${label}`, others, { also });
      if (!worst) return [compare];
      const [node, value] = worst;
      const note = format(value, metricUnit(name));
      return [asCompare(`Worst ${label}: ${node.key}`, nodeLink(node), { also, note }), compare];
    });
}

/** A setting on all nodes, for "compare chunk_size" and for the name alone. */
function settingEntries(words) {
  const names = words.filter((word) => !asksCompare(word));
  if (names.join("").length < LEAST_LETTERS) return [];
  return [...DEFAULTS.keys()]
    .filter((name) => beginsWords(name, names))
    .sort((a, b) => matchRank(a, names) - matchRank(b, names) || byName(a, b))
    .slice(0, MOST_COMPARED)
    .map((name) => {
      const href = `#/compare?preset=reachable&setting=${name}`;
      return asCompare(`Compare ${name} across nodes`, href);
    });
}

function compareEntries(words, chosen) {
  if (!store.status) return [];
  const ranks = rankEntries(words, chosen);
  return words.length ? [...worstEntries(words), ...settingEntries(words), ...ranks] : ranks;
}

const inAnHour = () => untilText(serverNow() + HOUR);

function silenceEntries(node) {
  const alerts = ((store.status && store.status.alerts) || []).filter(
    (alert) => node && alert.node === node.key && !alert.silence,
  );
  if (!alerts.length) return [];
  const act = () => carefully(silence({ alerts }, HOUR));
  return [{ text: `Silence alerts on ${node.key} for 1 h`, note: inAnHour(), act, locked: true }];
}

/** Every line of alerts can be silenced. */
function silenceLineEntries() {
  return activeLines().map((line) => {
    const act = () => carefully(silence(line, HOUR));
    const text = `Silence for 1 h: ${sentenceOf(line)}`;
    return { text, note: inAnHour(), act, locked: true };
  });
}

/** The page's time range, for a time or two. */
function timeEntries(text) {
  const span = spanOf(text, serverNow());
  if (!span) return [];
  const begin = store.status ? store.status.history_start : 0;
  const isPast = span.to > begin;
  const from = Math.max(span.from, Math.ceil(begin));
  const says = isPast
    ? `Time range: ${spanText(from, span.to)}`
    : `Time range: history begins at ${when(begin)}`;
  const act = isPast ? () => setFixed(from, span.to) : chooseRange;
  return [{ group: "Actions", image: "action", text: says, act }];
}

function actionEntries() {
  const entries = [
    { text: "Refresh: poll all nodes now", act: () => refreshNow() },
    { text: "Download debug bundle", act: downloadBundle, locked: true },
    { text: "Copy link to this view", act: () => copy(location.href, "Link copied") },
    ...offeredSpans().map(([, label, seconds]) => ({
      text: `Time range: last ${label}`,
      also: "show",
      act: () => setLast(seconds),
    })),
    { text: "Time range: custom, from … to …", also: "show date", act: chooseRange },
    ...INTERVALS.map((one) => ({
      text: `Update this page every ${one} s`,
      act: () => setRefresh(one),
    })),
    ...THEMES.map((one) => ({
      text: `Theme: ${one}`,
      also: "mode colours",
      act: () => setTheme(one),
    })),
    { text: trusted() ? "Stop editing" : "Enable editing", also: "access token", act: unlock },
    { text: "Keyboard shortcuts and manual", act: () => setTimeout(help) },
  ];
  return entries.map(asAction);
}

const asAction = (entry) => ({ group: "Actions", image: "action", ...entry });

/** The first alerts, which come first, how many more there are, and the other entries. */
function withoutLate(entries) {
  const rest = entries.findIndex((entry) => entry.group !== "Alerts");
  const count = rest < 0 ? entries.length : rest;
  if (count <= MOST_ALERTS + 1) return entries;
  const text = `and ${plural(count - MOST_ALERTS, "more alert")}`;
  const more = { group: "Alerts", image: "page", text, note: "Cluster", href: "#/", act: go("#/") };
  return [...entries.slice(0, MOST_ALERTS), more, ...entries.slice(count)];
}

/**
 * The groups of entries, those first in which the words begin words, and so their entries. Alerts
 * keep their order: the worst is first.
 */
function bestFirst(entries, words) {
  const groups = new Map();
  for (const entry of entries) {
    if (!groups.has(entry.group)) groups.set(entry.group, []);
    groups.get(entry.group).push(entry);
  }
  for (const [name, group] of groups)
    if (name !== "Alerts") group.sort((a, b) => rankOf(a, words) - rankOf(b, words));
  return [...groups.values()].sort((a, b) => bestRank(a, words) - bestRank(b, words));
}

const rankOf = ({ text, also }, words) => matchRank(`${text} ${also || ""}`, words) ?? Infinity;

/** How well the best entry matches; the start of the text is as good as that of another word. */
const bestRank = (entries, words) =>
  Math.max(1, Math.min(...entries.map((entry) => rankOf(entry, words))));

/** What the words find, in groups; `changes` are the rows of events of changed settings. */
function entriesFor(text, changes) {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const named = nodeEntries(words);
  const nodes = [...nodePanelEntries(words), ...named];
  const changed = changeEntries(words, changes);
  const route = parseRoute();
  const chosen = nodes[0] ? nodes[0].node : store.byKey.get(route.key);
  if (!words.length) nodes.push(...withoutLate(alertEntries()));
  const isNamed = words.length > 0 && named.length > 0;
  const panels = named.length > FEW_NODES ? MOST_PANELS : Infinity;
  if (isNamed && nodes[0] === named[0]) nodes.push(...panelEntries(chosen).slice(1, 1 + panels));
  const others = [
    ...(words.length ? alertEntries() : []),
    ...instanceEntries(),
    ...viewEntries(words.length ? [...VIEWS, ...PRESETS, ...ADD] : VIEWS),
    ...(words.length ? [...viewEntries(BULK, "Bulk actions"), ...operationEntries()] : []),
    ...(isNamed ? [] : panelEntries(chosen)),
    ...(chosen ? [] : panelsOfSome(words)),
    ...compareEntries(words, chosen),
    ...actionEntries(),
    ...(words.length ? termEntries(chosen, changes) : []),
    ...silenceEntries(chosen).map(asAction),
    ...(words.length ? silenceLineEntries().map(asAction) : []),
  ];
  const wanted = others.filter((entry) => {
    if (!words.length) return entry.group !== "Instances";
    const text = `${entry.text} ${entry.also || ""}`;
    if (TERMS.includes(entry.group)) return beginsWords(text, words);
    return matchRank(text, words) !== null;
  });
  const groups = bestFirst(withoutLate(wanted), words);
  const shown = groups.flat().slice(0, MOST_OTHERS + (words.length ? 0 : 6));
  const isBetter = (group) => bestRank(group, words) < bestRank(nodes, words);
  const better = shown.splice(0, groups.filter(isBetter).flat().length);
  const found = better.length ? [...changed, ...better, ...nodes] : [...nodes, ...changed];
  const all = [...found, ...shown, ...remedyEntries(words), ...sectionEntries(words)];
  // Without the server nothing can be changed.
  return [...timeEntries(text), ...all].filter((one) => !one.locked || !store.error);
}

// ---- the dialog ----

class Palette {
  constructor() {
    this.at = 0;
    this.entries = [];
    this.changes = [];
    this.input = h("input", {
      type: "text",
      class: "palette-input",
      placeholder: "Search nodes, settings, alerts …",
      "aria-label": "Search nodes, views and actions",
      role: "combobox",
      "aria-expanded": "true",
      "aria-controls": "palette-list",
      "aria-autocomplete": "list",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.list = h("ul", { id: "palette-list", role: "listbox", "aria-label": "Results" });
    this.dialog = h(
      "dialog",
      { class: "palette", "aria-label": "Search or jump to" },
      h("div", { class: "palette-type" }, icon("search"), this.input, h("kbd", {}, "Esc")),
      this.list,
      footer(),
    );
    this.input.addEventListener("input", () => this.#find());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    const closed = new AbortController();
    this.dialog.addEventListener("close", () => {
      closed.abort();
      this.dialog.remove();
    });
    this.dialog.addEventListener("pointerdown", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.#find();
    if (store.status) this.#loadChanges();
    else this.#awaitStatus(closed.signal);
    loadManual().then(() => this.#findAgain());
  }

  /** Opened before the page knows any node: they and their changes are found once it does. */
  #awaitStatus(signal) {
    const end = subscribe(() => {
      if (!store.status) return;
      end();
      this.#findAgain();
      this.#loadChanges();
    }, signal);
  }

  /** Changed settings are found when their events are there. */
  async #loadChanges() {
    const { time } = store.status;
    try {
      const range = { start: time - CHANGES_OF, end: Math.max(time, serverNow()) };
      this.changes = eventRows(await loadEvents(range, undefined, { kind: "changed" }));
    } catch (error) {
      return; // the rest is found without them
    }
    this.#findAgain();
  }

  /** More can be found now. */
  #findAgain() {
    if (!this.dialog.open) return;
    // What the user went to stays chosen: Enter must not run something else.
    this.#find(this.at ? this.entries[this.at] : {});
  }

  #find(chosen = {}) {
    this.entries = entriesFor(this.input.value, this.changes);
    const same = ({ group, text }) => group === chosen.group && text === chosen.text;
    this.at = Math.max(0, this.entries.findIndex(same));
    this.#draw();
  }

  #draw() {
    const words = this.input.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    let group = "";
    replace(
      this.list,
      this.entries.map((entry, i) => {
        const heading = entry.group === group ? null : this.#heading(entry.group);
        group = entry.group;
        return [heading, this.#item(entry, i, words)];
      }),
      this.entries.length ? null : h("li", { class: "muted", role: "presentation" }, NO_MATCH),
    );
    this.#mark();
  }

  #heading(text) {
    return h("li", { class: "palette-group", role: "presentation" }, text);
  }

  #item(entry, i, words) {
    const locked = entry.locked && !trusted();
    return h(
      "li",
      {
        id: `palette-${i}`,
        role: "option",
        onpointermove: () => this.#move(i),
        onclick: () => this.#run(entry),
      },
      entry.mark || icon(locked ? "lock" : entry.image),
      h("span", { class: "palette-text" }, highlighted(kept(entry.text), words)),
      h("span", { class: "palette-note" }, whole(entry.note || "")),
    );
  }

  #mark() {
    const items = this.list.querySelectorAll("[role=option]");
    items.forEach((item, i) => item.setAttribute("aria-selected", String(i === this.at)));
    const chosen = items[this.at];
    if (!chosen) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    this.input.setAttribute("aria-activedescendant", chosen.id);
    chosen.scrollIntoView({ block: "nearest" });
  }

  #move(at) {
    if (at === this.at) return;
    this.at = at;
    this.#mark();
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const page = { PageDown: PAGE, PageUp: -PAGE }[event.key];
    const { length } = this.entries;
    if (step && length) {
      event.preventDefault();
      this.#move((this.at + step + length) % length);
    } else if (page && length) {
      event.preventDefault();
      this.#move(Math.max(0, Math.min(length - 1, this.at + page)));
    } else if (event.key === "Enter" && this.entries[this.at]) {
      event.preventDefault();
      const entry = this.entries[this.at];
      const apart = event.ctrlKey || event.metaKey;
      if (apart && entry.href) open(entry.href, "_blank", "noopener");
      else this.#run(entry);
    }
  }

  #run(entry) {
    this.dialog.close();
    if (entry.locked && !trusted()) unlock();
    else entry.act();
  }
}

function footer() {
  const key = (...names) => names.map((name) => h("kbd", {}, name));
  return h(
    "div",
    { class: "palette-foot", "aria-hidden": "true" },
    h("span", {}, key("↑", "↓"), " select"),
    h("span", {}, key("↵"), " open"),
    h("span", {}, key("Ctrl", "↵"), " new tab"),
    h("span", { class: "spring" }),
    h("span", {}, key("?"), " all shortcuts"),
  );
}

export function palette() {
  return new Palette();
}

/** A cap for each key. */
const keyCaps = (keys) =>
  keys
    .split(/([ ,]+)/)
    .map((part, i) => (i % 2 ? h("span", { class: "between" }, part) : h("kbd", {}, part)));

/** The keys, and where the manual is. */
export function help() {
  const close = h("button", { type: "button", class: "primary", autofocus: true }, "Close");
  const dialog = h(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keyboard shortcuts"),
    h(
      "dl",
      { class: "keys" },
      KEYS.map(([keys, text]) => [h("dt", {}, keyCaps(keys)), h("dd", {}, text)]),
    ),
    h(
      "div",
      { class: "dialog-actions" },
      h(
        "a",
        { class: "button", href: "static/help.html", target: "_blank", rel: "noopener" },
        "Manual",
      ),
      h("span", { class: "spring" }),
      close,
    ),
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
