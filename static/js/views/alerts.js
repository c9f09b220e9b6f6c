// The upper part of the cluster: what is wrong, in words, and beside it what happened lately.

import { bounds, fixedLink, SPANS, timeRange } from "../address.js";
import { isNumber } from "../chartmath.js";
import {
  button,
  copy,
  instanceLink,
  linked,
  menuButton,
  nodeLink,
  online,
  opened,
  toast,
  unknownText,
} from "../controls.js";
import { h, icon, replace, setText } from "../dom.js";
import {
  atWhen,
  byName,
  clock,
  day,
  duration,
  fullTime,
  hour,
  plain,
  plural,
  serverNow,
  untilText,
  when,
  within,
} from "../format.js";
import { instanceName, notify, poll, sendJson, shownNow, store, trusted } from "../server.js";
import { pastTense, SEVERITIES } from "../words.js";
import {
  actorOf,
  ageOf,
  ageText,
  changesNoted,
  changesOf,
  endOf,
  EVENT_KINDS,
  eventItem,
  eventText,
  headline,
  isOver,
  reasonOf,
  rowTime,
  secondsBetween,
  SPREAD,
  toldAt,
  undoLink,
  undoOf,
  withNodeList,
  withOthers,
} from "./eventlist.js";

const NAMED = 3; // names in a sentence; more are counted
const LINKED = 12; // names in the details of an alert
const SHOWN = 6; // lines before "Show all"
const EVENTS = 6; // recent events shown
const BESIDE = 4; // recent events beside alerts, more where these are higher
const ROW = 29; // px, of a recent event with one line
const HOUR = 3600;
const BY = /, by (\S+) from (\S+)$/; // how the server tells who made a change
const PAST = "event "; // how the id of an alert of the past begins
const JOINED = 300; // seconds after the first alert of a line: one that begins later joined it
const LATER = 60; // seconds after that first alert: when one began later than that is told
const TOGETHER = 60; // seconds between the changes of several nodes that are undone as one
const REACH = 1800; // seconds before an alert in which its facts may lie
const BEFORE = 900; // seconds before an alert in which a change may be its reason
// What the server names as a fact before an alert -> the rule that is about it.
const OWN_FACTS = { restart: "node_restarting", "rising evictions": "evictions_rising" };
const STATES = ["node_down", "node_degraded"]; // rules that say no more than a node's state
const COSTS = ["hit_rate_halved"]; // rules about what users feel, told before its causes
const ALL_CLEAR = "All clear: no active alerts";
const MANUAL = "static/help.html#do-"; // and the rule: what to do about an alert

/** When the events of the page begin and end: with what was shortly before its alerts. */
export function eventRange(status) {
  const { start, end } = bounds(status.time);
  const since = (status.alerts || []).map((alert) => alert.since - REACH).filter(isNumber);
  return { start: timeRange().live ? Math.min(start, ...since) : start - REACH, end };
}

/**
 * The alerts of this frontend, then what others raised about their nodes ({source: their name}),
 * unless this one raised it, too.
 */
export function allAlerts({ alerts, proxies }) {
  const own = alerts || [];
  const have = new Set(own.map(({ rule, node }) => `${rule} ${node}`));
  const others = (proxies || []).flatMap(({ name, alerts: theirs }) =>
    (theirs || []).map((alert) => ({ ...alert, source: name, group: `${name} ${alert.group}` })),
  );
  return [...own, ...others.filter(({ rule, node }) => !node || !have.has(`${rule} ${node}`))];
}

const severityOf = (alert) => SEVERITIES[alert.severity] || SEVERITIES.info;
const isSilent = (alert) => Boolean(alert.silence);
/** How an alert of the past ended; "" while it is active. */
const endText = ({ until, endReason }) => (until ? endOf(endReason) : "");

const silencedUntil = ({ silence: quiet }) => quiet && hour(quiet.until);

/** The name of the instance that an alert is about. */
export function instanceOf(alert) {
  if (alert.source) return alert.instance_name;
  if (alert.instance) return store.instances.get(alert.instance) || alert.instance;
  const node = alert.node ? store.byKey.get(alert.node) : null;
  return node ? instanceName(node) : "";
}

/** Alerts by what `id` says of each, in the order of their first. */
function groupBy(alerts, id) {
  const groups = new Map();
  for (const alert of alerts) {
    const key = id(alert);
    groups.set(key, [...(groups.get(key) || []), alert]);
  }
  return [...groups.values()];
}

/** What alerts of one line have in common: the rule and, for a node's state, the reason. */
const troubleOf = (alert) =>
  [alert.rule, alert.rule.startsWith("node_degraded") ? reasonOf(alert) : ""].join(" ");

/**
 * Alerts as lines, the worst first: those of one rule on one instance are a line, and a rule that
 * many instances break is a single one; what is over stands last. Each is {alerts, severity, text,
 * since, until, details, facts, silence, node, nodes, instances}: `facts` are the details of each
 * alert, `node` is the one that the text is about.
 */
export function alertLines(alerts) {
  const ordered = [...alerts].sort(
    (a, b) => severityOf(a).rank - severityOf(b).rank || a.since - b.since || byName(a.id, b.id),
  );
  const id = (one) =>
    [troubleOf(one), one.severity, one.source, silencedUntil(one), endText(one)].join();
  const byRule = groupBy(ordered, id);
  const groups = byRule.flatMap((rule) => {
    const parts = groupBy(rule, (one) => one.group || `${one.rule} ${instanceOf(one)}`);
    // Nodes in one state for one reason share a line, as their events do.
    const most = STATES.includes(rule[0].rule) && rule.every((one) => one.node) ? 1 : SPREAD;
    return parts.length > most ? [rule] : parts;
  });
  return groups
    .map(lineOf)
    .sort(
      (a, b) =>
        Boolean(a.until) - Boolean(b.until) ||
        severityOf(a).rank - severityOf(b).rank ||
        COSTS.includes(b.rule) - COSTS.includes(a.rule),
    );
}

/** The line that each of these alerts is in, by its id. */
export const groupsOf = (alerts) =>
  new Map(alertLines(alerts).flatMap((line) => line.alerts.map(({ id }) => [id, line])));

/**
 * Lines as blocks, each at the place of its gravest line: alerts after one change are an incident,
 * {change, lines}, with those that one of them led to; any other line is a block of its own,
 * without change. Lines that are not shown here, as those of alerts that ended, hold their incident
 * together: `others`.
 */
export function incidentsOf(lines, others = []) {
  const all = [...lines, ...others];
  const incidents = [];
  const homes = new Map(); // line -> its incident
  for (const line of all.filter((one) => one.change)) {
    const { change } = line;
    const same = incidents.find((one) => isOneChange(one.change, change));
    if (!same) incidents.push({ change, lines: [line] });
    else {
      same.lines.push(line);
      same.change = { ...same.change, nodes: union(same.change.nodes, change.nodes) };
    }
    homes.set(line, same || incidents[incidents.length - 1]);
  }
  for (const line of all.filter((one) => !homes.has(one))) {
    const home = incidents.find((one) => one.lines.some((other) => ledTo(other, line)));
    if (home) homes.set(line, home);
  }
  const single = (line) => ({ change: null, lines: [line] });
  const blocks = new Set(lines.map((line) => homes.get(line) || single(line)));
  const shown = [...blocks].map(({ change, lines: own }) => {
    if (!change) return { change, lines: own, rank: severityOf(own[0]).rank };
    const mine = all.filter((line) => homes.get(line)?.change === change);
    const rank = Math.min(...mine.map((line) => severityOf(line).rank));
    const kept = lines.filter((line) => mine.includes(line));
    return { change: mine.length > 1 ? change : null, lines: kept, rank };
  });
  // Of blocks that are equally grave, one that was graver stays before the others.
  return shown.sort(
    ({ lines: [a], rank: rankOfA }, { lines: [b], rank: rankOfB }) =>
      Boolean(a.until) - Boolean(b.until) ||
      severityOf(a).rank - severityOf(b).rank ||
      rankOfA - rankOfB,
  );
}

/** Whether a line's details name, as shortly before it, the restart or rise of another alert. */
const ledTo = (other, line) =>
  !(other.until && other.until < line.since - BEFORE) &&
  [...line.facts, ...line.details].some((fact) => {
    const [, what, node] = / before: (restart|rising evictions) on (\S+)$/.exec(fact) || [];
    return what && other.rule === OWN_FACTS[what] && other.nodes.includes(node);
  });

const union = (some, others) => [...new Set([...some, ...others])];

/** Whether two changes are the same on several nodes. */
const isOneChange = (one, other) =>
  Boolean(one) &&
  one.setting === other.setting &&
  one.before === other.before &&
  one.after === other.after &&
  Math.abs(one.time - other.time) <= TOGETHER;

/** A fact that says who did it in the same words as events do. */
const withActor = (fact) => fact.replace(BY, (_, by, from) => `, ${actorOf({ by, from })}`);

const RISING = / rising evictions on ([\d,]+) nodes$/;

/** A fact that counts the nodes where evictions began to rise says on how many they still do. */
function withStill(line, fact) {
  const began = Number((RISING.exec(fact) || ["", "0"])[1].replace(/,/g, ""));
  const alike = (alert) =>
    alert.rule === "evictions_rising" && line.instances.includes(instanceOf(alert));
  const still = began ? allAlerts(store.status).filter(alike).length : 0;
  return still && still < began ? `${fact}, still on ${plain(still)}` : fact;
}

const factOf = (detail) => detail.replace(/^(?:[^:]{1,20} before|at the same time): /, "");

// When, what, where (a name or "4 nodes") and by whom something happened before an alert.
const FACT = /^([^:]{1,20}): (.+) on (\S+|\d+ nodes)(, by \S+ from \S+)?$/;

/** Where a fact is true, by the alerts that tell it: each knows the nodes of its instance alone. */
function wherever(places) {
  const names = new Set();
  let more = 0;
  for (const wheres of places.values()) {
    const counts = wheres.map((where) => (/^\d+ nodes$/.test(where) ? parseInt(where, 10) : 0));
    const named = new Set(wheres.filter((where, i) => !counts[i]));
    const most = Math.max(...counts);
    if (most >= named.size) more += most;
    else for (const name of named) names.add(name);
  }
  const few = [...names].sort(byName);
  return more || few.length > 2 ? plural(more + few.length, "node") : few.join(" and ");
}

/** What alerts tell of the time before them, each fact once, with the number of all its nodes. */
function commonFacts(alerts, isTold) {
  const facts = new Map(); // what happened, and by whom -> {fact, places}
  for (const alert of alerts)
    for (const fact of (alert.details || []).filter(isTold(alert))) {
      const [, , what, where, by = ""] = factOf(fact) === fact ? [] : FACT.exec(fact) || [];
      const id = what ? `${what} ${by}` : factOf(fact);
      if (!facts.has(id)) facts.set(id, { fact, places: new Map() });
      const { places } = facts.get(id);
      const place = `${alert.source} ${instanceOf(alert) || alert.node}`;
      if (what) places.set(place, [...(places.get(place) || []), where]);
    }
  return [...facts.values()].map(({ fact, places }) =>
    places.size
      ? fact.replace(FACT, (_, when, what, where, by = "") => {
          return `${when}: ${what} on ${wherever(places)}${by}`;
        })
      : fact,
  );
}

/** How often what these alerts tell began and ended: those at once are one time; the seconds. */
function spellsOf(alerts) {
  let [times, seconds, end] = [0, 0, -Infinity];
  for (const { since, until } of [...alerts].sort((a, b) => a.since - b.since)) {
    if (since > end) times += 1;
    seconds += Math.max(0, secondsBetween(Math.max(since, end), until));
    end = Math.max(end, until);
  }
  return { times, seconds };
}

const lengthOf = ({ since, until }) => until - since;

function lineOf(alerts) {
  const [first] = alerts;
  const isPast = alerts.every((one) => one.until);
  // Of alerts that ended the longest has the gravest figures.
  const [longest] = isPast ? [...alerts].sort((a, b) => lengthOf(b) - lengthOf(a)) : alerts;
  const since = Math.min(...alerts.map((one) => one.since || Infinity));
  // "3 min before: ..." is told of alerts that began with the line, not of those that joined later.
  const isTold = (one) => (fact) => factOf(fact) === fact || !(one.since > since + JOINED);
  const later = isPast ? [] : alerts.filter((one) => one.since > since + LATER);
  return {
    alerts,
    id: first.id,
    severity: first.severity,
    rule: first.rule,
    text: longest.text,
    advice: (first.advice || "").replace(/'/g, "’"),
    since,
    later: later.sort((a, b) => b.since - a.since),
    until: isPast ? Math.max(...alerts.map((one) => one.until)) : null,
    endReason: isPast ? first.endReason : "",
    spells: isPast ? spellsOf(alerts) : null,
    details: commonFacts(alerts, isTold).slice(0, NAMED),
    facts: alerts.flatMap((one) => (one.details || []).filter(isTold(one))),
    silence: first.silence || null,
    node: longest.node,
    nodes: union(alerts.map((one) => one.node).filter(Boolean), []).sort(byName),
    instances: union(alerts.map(instanceOf).filter(Boolean), []).sort(byName),
  };
}

/** What a line is about: nodes, else instances. */
const membersOf = ({ nodes, instances }) => (nodes.length ? nodes : instances);

/** "also on w1, w2 and 12 more": the nodes, or instances, that its sentence does not name. */
export function otherNodes(line) {
  const words = wholeOf(line).split(/[\s,:;()]+/);
  const others = membersOf(line).filter((name) => !words.includes(name));
  if (!others.length) return "";
  const more = others.length > NAMED ? ` and ${plain(others.length - NAMED)} more` : "";
  const also = others.length < membersOf(line).length ? "also " : "";
  return `${also}on ${others.slice(0, NAMED).join(", ")}${more}`;
}

/** What a line is about, as links; the text before them names the instance already. */
function memberLinks(line) {
  const members = membersOf(line);
  if (members.length < 2) return null;
  const [instance] = line.instances;
  const short = (name) =>
    name.startsWith(`${instance}_`) ? name.slice(instance.length + 1) : name;
  const link = (name) =>
    line.nodes.length
      ? h("a", { href: nodeLink({ key: name }) }, line.instances.length > 1 ? name : short(name))
      : h("a", { href: instanceLink(name) }, name);
  const links = members.slice(0, LINKED).map((name, i) => [i ? ", " : "", link(name)]);
  const rest = members.length - LINKED;
  return ["On ", links, rest > 0 ? ` and ${plain(rest)} more` : ""];
}

const tells = (fact, { setting, before, after }) =>
  fact.includes(` ${setting} ${before} → ${after}`);

/** What an alert's details say beyond its text and its incident's change; other changes first. */
function briefDetails(line, incident) {
  const name = line.nodes.length === 1 ? line.nodes[0] : "";
  const isChange = (detail) => detail.includes(" → ");
  const details = line.details
    .filter((detail) => !incident || !tells(detail, incident))
    .map((detail) => detail.replace(BY, ""));
  const brief = details.map((detail) =>
    name && line.text.includes(name) && detail.endsWith(` on ${name}`)
      ? detail.slice(0, -` on ${name}`.length)
      : detail,
  );
  return [...brief.filter(isChange), ...brief.filter((one) => !isChange(one))];
}

/**
 * What happened to the nodes of an alert shortly before it: a change or somebody's action first,
 * else a restart. Near in time, nothing more. `rows` are those of eventRows().
 */
export function shortlyBefore(line, rows) {
  const concerns = (event) =>
    line.nodes.includes(event.node) || line.instances.includes(store.instances.get(event.instance));
  const near = rows.filter(
    (row) =>
      row.time <= line.since &&
      row.time > line.since - BEFORE &&
      (row.alike || [row]).some(concerns),
  );
  const restart = (row) => row.restarted && !line.rule.startsWith("node_");
  const row =
    near.find(({ kind }) => kind === "changed" || kind === "action") || near.find(restart);
  return row ? `${ageBefore(line.since - row.time)}: ${factOfRow(row)}` : "";
}

/**
 * The last change before an alert that its facts name, or those of another `teller`, with all its
 * nodes; null without one.
 */
function namedChange(line, rows, teller = line) {
  const isNamed = (change) => teller.details.some((fact) => tells(fact, change));
  const mine = (node) => line.nodes.includes(node) || line.instances.includes(instanceOf({ node }));
  const changes = rows
    .filter(({ kind, time }) => kind === "changed" && time <= line.since + 1)
    .flatMap(changesOf)
    .filter((change) => isNamed(change) && change.nodes.some(mine));
  const [last] = changes;
  if (!last) return null;
  const nodes = changes.filter((one) => isOneChange(last, one)).flatMap((one) => one.nodes);
  return { ...last, nodes: [...new Set(nodes)] };
}

/** An alert in one sentence, the same wherever the page names it. */
export const sentenceOf = (line) => saidOf(line, headline(line.text));

/** The same with its evidence. */
const wholeOf = (line) => saidOf(line, line.text);

const saidOf = ({ alerts, node, nodes }, text) =>
  nodes.length > 1 ? withOthers(text, { node, alike: alerts }) : text;

/** What to do first: undo the change that the alert names; once it was undone, wait for it. */
function adviceOf({ advice, change, until }) {
  if (until) return "";
  if (!change) return advice;
  const { setting } = change;
  const { time, isUndone } = undoOf(change) || {}; // without time it can still be undone
  const other = within(advice);
  const otherwise = (condition) => (advice ? ` If ${condition}, ${other}` : "");
  if (isUndone) {
    const done = `The change of ${setting} was undone at ${hour(time)}`;
    const wait = "the alert should resolve within 15 minutes.";
    return `${done}; ${wait}${otherwise("it does not")}`;
  }
  const again = `${setting} was changed again at ${hour(time)}.`;
  return (time ? again : `Undo the change of ${setting}.`) + otherwise("that does not help");
}

/** "50 s before", "18 min before", as the server says it of the alerts of now (spoken_time). */
export function ageBefore(seconds) {
  if (seconds < 1) return "at the same time";
  return `${seconds <= 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`} before`;
}

/** "chunk_size 256 → 512 on 4 nodes, by token from 10.2.0.14", "restart on w0". */
function factOfRow(row) {
  const { kind, alike, node, by, from } = row;
  const where = alike ? plural(new Set(alike.map((one) => one.node)).size, "node") : node;
  const [, changes] = (kind === "changed" && / changed: (.*)$/.exec(row.text)) || [];
  if (!changes && kind === "node_down") return `restart on ${where}`;
  const said = within(eventText(row));
  const fact = changes ? `${changes.replace(BY, "")} on ${where}` : said;
  return fact + (by && from ? `, by ${by} from ${from}` : "");
}

/** "mp since 13:14:25": what joined a line after it began; of several "latest: mp at 13:14:25". */
function laterText(later, now) {
  if (!later.length) return "";
  const [latest] = later;
  const name = latest.node || instanceOf(latest) || latest.id;
  const time = when(latest.since, now);
  return later.length > 1 ? ` · latest: ${name} at ${time}` : ` · ${name} since ${time}`;
}

/** When it began and how long it has lasted, as parts of a text: one of them is told anew. */
function sinceParts({ since, later = [], until, spells, endReason }, now) {
  if (!Number.isFinite(since)) return [];
  if (until) {
    const { times, seconds } = spells;
    const once = endReason ? "active for" : "lasted";
    const lasted =
      times > 1
        ? `${plain(times)} times, in all ${duration(seconds)}`
        : `${once} ${ageText(since, until)}`;
    return [`${when(since, now)} – ${when(until, now)} · ${lasted}`];
  }
  const joined = laterText(later, now);
  if (timeRange().live) return [`since ${when(since, now)} · `, ageOf(since, now), joined];
  return [`since ${when(since, now)} · ${ageText(since, now)}${joined}`];
}

const sinceText = (line, now) =>
  sinceParts(line, now)
    .map((part) => part.textContent ?? part)
    .join("");

/** One alert of a copy, with what its `incident` does not tell. */
function markdownOf(line, incident, now) {
  const details = line.details.filter((detail) => !incident || !tells(detail, incident));
  const facts = [sinceText(line, now), otherNodes(line), ...details.map(withActor)];
  const silenced = line.silence ? " (silenced)" : "";
  const more = facts.filter(Boolean).join(" · ");
  return `- **${markOf(line)}** ${wholeOf(line)}${silenced}\n  ${more}`;
}

/** The heading of a block in a copy, as the page has it. */
function headOf(change, before, now) {
  if (!change) return before?.change ? ["**Other alerts**"] : [];
  const undo = undoOf(change);
  const over = undo && !undo.href && undo.text;
  return [[`**${changeTitle(change, now)}**`, change.by, over].filter(Boolean).join(" · ")];
}

/** Blocks of alerts and main figures for an incident channel. */
export function alertsMarkdown(blocks, title, { now, figures = [], link = "", calm = ALL_CLEAR }) {
  const said = blocks.flatMap(({ change, lines }, i) => [
    ...headOf(change, blocks[i - 1], now).flatMap((head) => (i ? ["", head, ""] : [head, ""])),
    ...lines.map((line) => markdownOf(line, change, now)),
  ]);
  const alerts = said.length ? said : [`${calm.replace(/\.$/, "")}.`];
  const more = [figures.join(" · "), link].filter(Boolean).flatMap((text) => ["", text]);
  return [`### ${title}`, "", ...alerts, ...more].join("\n");
}

// ---- silences ----

let silences = null; // the module with what is said of silences, once it is loaded
const loadSilences = async () => {
  silences = silences || (await opened(() => import("./silences.js")));
  return silences;
};

/** Silence all alerts of a line for some seconds. */
export async function silence({ alerts }, seconds, comment = "") {
  for (const { id } of alerts)
    await sendJson("POST", `api/alerts/${encodeURIComponent(id)}/silence`, { seconds, comment });
  toast(`Silenced ${untilText(serverNow() + seconds)}`, "good");
  await poll();
}

export const carefully = (work) =>
  work.catch((error) => {
    toast(error.message, "bad");
    notify();
  });

/** What has the focus in the card of alerts has it again after `work()`. */
export async function keptFocus(work) {
  const card = document.activeElement.closest(".alert-card");
  const focus = card && focusIn(card);
  await work();
  if (focus) giveBack(card, focus); // the list may have been drawn anew meanwhile
}

function silenceMenu(line) {
  const until = (hours) => untilText(serverNow() + hours * HOUR);
  const withComment = async () => (await loadSilences())?.silenceWithComment(line);
  const unlock = () => dispatchEvent(new Event("lmcache-unlock"));
  const items = () =>
    trusted()
      ? [
          { label: "For 1 hour", note: until(1), act: () => carefully(silence(line, HOUR)) },
          { label: "For 8 hours", note: until(8), act: () => carefully(silence(line, 8 * HOUR)) },
          null,
          { label: "With a comment …", act: withComment },
        ]
      : [{ label: "Enable editing to silence alerts", image: "lock", act: unlock }];
  const face = [icon("mute"), h("span", {}, "Silence")];
  const menu = menuButton(face, items, {
    kind: "little drop",
    label: `Silence: ${sentenceOf(line)}`,
  });
  online(menu.firstChild);
  return menu;
}

// ---- the cards ----

/** "Warning"; of an alert that is over how it ended. */
function markOf(line) {
  const { word } = severityOf(line);
  const isResolved = line.until && !line.endReason;
  return isResolved ? `Resolved ${word.toLowerCase()}` : endText(line) || word;
}

function severityMark(line) {
  const { state } = severityOf(line);
  const over = line.endReason ? "unknown" : "up";
  const shown = line.until ? over : state;
  const sign = { up: "✓", down: "■", degraded: "◆", unknown: "○" }[shown];
  return h(
    "span",
    { class: `severity ${shown}` },
    h("span", { "aria-hidden": "true" }, sign),
    markOf(line),
  );
}

/** An alert of the past, as its event tells it; at `end` it may have been active. */
function alertOfEvent(event, end) {
  const over = isOver(event) && event.until <= end;
  return {
    id: `${PAST}${event.id}`,
    rule: event.rule || event.text,
    severity: event.severity,
    text: over ? pastTense(event.text) : event.text,
    node: event.node,
    instance: event.instance,
    since: event.time,
    until: over ? event.until : null,
    endReason: over ? event.end_reason : "",
    details: event.details || [],
    silence: null,
  };
}

/** What an alert found besides its headline, as lists: evidence, other nodes, advice. */
function evidence(line, told, body, incident) {
  const remedy = { href: MANUAL + line.rule, target: "_blank", rel: "noopener" };
  const began = Number.isFinite(line.since) ? `Began ${fullTime(line.since)}` : "";
  const reason = headline(line.text) === line.text ? "" : wholeOf(line);
  // The line above leaves out who it was.
  const changed = line.details
    .filter((detail) => BY.test(detail) && !(incident && tells(detail, incident)))
    .map(withActor);
  const facts = [reason, ...changed, ...told, began].filter(Boolean).map(linked);
  const advice = adviceOf({ ...line, change: line.change && (incident || line.change) });
  const members = memberLinks(line);
  replace(
    body,
    h(
      "ul",
      {},
      [...facts, members].filter(Boolean).map((fact) => h("li", {}, fact)),
      h("li", {}, advice, advice ? " " : "", h("a", remedy, "What to do")),
    ),
  );
}

/**
 * An alert: what it says and one line of facts; the rest is shown on demand. The change of its
 * `incident` is told above it.
 */
function alertItem(line, now, opened, incident = null) {
  const said = sentenceOf(line);
  const [sentence, nodes] = withNodeList(said, line.nodes, line.id);
  const [nearest, ...told] = briefDetails(line, incident);
  const undo = incident ? null : undoLink(line.change);
  const isLink = Boolean(undo && undo.href);
  const times = sinceParts(line, now).map((part) => (part.textContent ? part : linked(part)));
  const known = [times, nearest && linked(nearest), !isLink && undo];
  const facts = known.filter(Boolean);
  const body = h("div", { class: "evidence" });
  const more = h("button", { type: "button", class: "link" }, "Details");
  const show = (open) => {
    more.setAttribute("aria-expanded", String(open));
    more.setAttribute("aria-label", `Details: ${said}`);
    body.hidden = !open;
    if (open) evidence(line, told, body, incident);
  };
  more.addEventListener("click", () => {
    const open = body.hidden;
    if (open) opened.add(line.id);
    else opened.delete(line.id);
    show(open);
  });
  show(opened.has(line.id));
  return h(
    "li",
    { class: line.until ? "over" : line.severity, dataset: { rule: line.rule, line: line.id } },
    h("p", {}, severityMark(line), " ", sentence),
    nodes,
    h(
      "p",
      { class: "why" },
      h(
        "span",
        { class: "fact-line" },
        facts.map((fact, i) => [i ? "\u00a0· " : "", fact]),
      ),
      isLink ? undo : null,
      more,
    ),
    body,
    line.id.startsWith(PAST) || line.alerts[0].source ? null : silenceMenu(line),
  );
}

/** Alerts under a heading, with `more` beside it; `isOver` if it is a change that was undone. */
const section = (title, more, items, isOver = false) =>
  h(
    "li",
    { class: "incident" },
    h("div", { class: `incident-head${isOver ? " over" : ""}` }, h("h3", {}, linked(title)), more),
    h("ul", { class: "alerts" }, items),
  );

/** What was changed, where and when. */
function changeTitle({ setting, before, after, nodes, time }, now) {
  const where = nodes.length > 1 ? `${plain(nodes.length)}\u00a0nodes` : nodes[0];
  return `After ${setting} ${before} → ${after} on ${where} ${atWhen(time, now)}`;
}

/** The alerts after one change: what was changed, where, when and by whom, then each of them. */
function incidentItem({ change, lines }, now, opened) {
  const { by } = change;
  const title = changeTitle(change, now);
  const undo = undoLink(change);
  const who = by && [" ", h("span", { class: "muted" }, by)];
  const isOver = Boolean(undo && !undo.href);
  const items = lines.map((line) => alertItem(line, now, opened, change));
  // The link is on the line of the last word.
  return section(title, [who, undo && ["\u00a0", undo]], items, isOver);
}

/** Blocks of lines as items, of at most so many lines; those after an incident have a heading. */
function blockItems(blocks, now, opened, most = Infinity) {
  const item = (line) => alertItem(line, now, opened);
  const items = [];
  let room = most;
  let others = []; // since the last incident
  const close = () => {
    const isAfter = items.length > 0 && others.length > 0;
    items.push(...(isAfter ? [section("Other alerts", null, others)] : others));
    others = [];
  };
  for (const block of blocks) {
    const lines = block.lines.slice(0, room);
    room -= lines.length;
    if (!block.change) others.push(...lines.map(item));
    else if (lines.length) {
      close();
      items.push(incidentItem({ ...block, lines }, now, opened));
    }
  }
  close();
  return items;
}

const COPIED = ["up", "degraded", "down"]; // states that a copy counts
/** The nodes by state; null in a fixed range, when they were others. */
const countsNow = () => (timeRange().live ? store.status.counts : null);

/** The card of alerts: one line a group, silenced ones folded at its end. */
export class AlertCard {
  /**
   * `figures()` are the main figures in words and `counts()` the nodes by state, null where they
   * are not known, for the copy as Markdown; alerts that `isOther()` are folded into one line:
   * without it, those that other frontends raised.
   */
  constructor({
    figures = () => [],
    counts = countsNow,
    isOther = ({ source }) => Boolean(source),
  } = {}) {
    Object.assign(this, { figures, counts, isOther });
    this.title = h("h2", {}, "Alerts");
    this.count = h("span", { class: "hint" });
    this.list = h("ul", { class: "alerts" });
    this.quiet = h("ul", { class: "alerts" });
    this.silenced = h(
      "details",
      { class: "fold silenced", hidden: true },
      h("summary"),
      this.quiet,
    );
    this.far = h("ul", { class: "alerts" });
    this.others = h("details", { class: "fold others", hidden: true }, h("summary"), this.far);
    this.spoken = h("p", { class: "visually-hidden", role: "status" });
    this.more = button("", () => this.#toggle(), { kind: "little bare", title: "" });
    this.clear = h("p", { class: "all-well" });
    this.showAll = false;
    this.decided = false; // whether the alerts of others are unfolded
    this.opened = new Set(); // ids of the lines whose evidence is shown
    this.signature = "";
    this.ids = null;
    this.lines = [];
    this.folded = []; // the lines of others
    this.blocks = []; // the lines that are shown, by incident
    this.past = null;
    this.isBlank = false; // whether nothing is known of the time range
    this.events = [];
    this.rows = [];
    this.copyAll = button("Copy as Markdown", () => this.#copy(), {
      kind: "little bare",
      image: "copy",
    });
    this.element = h(
      "section",
      { class: "card alert-card", "aria-label": "Alerts" },
      h("header", { class: "card-head" }, this.title, this.count, spring(), this.copyAll),
      this.spoken,
      this.clear,
      this.list,
      this.more,
      this.others,
      this.silenced,
    );
  }

  #toggle() {
    this.showAll = !this.showAll;
    this.#drawAnew();
  }

  #drawAnew() {
    this.signature = "";
    this.update(this.status, this.past, this.events, this.rows, this.groups);
  }

  #copy() {
    const { time } = store.status;
    const counts = this.counts();
    const states = COPIED.map((state) => `${counts?.[state] || 0} ${state}`).join(", ");
    const moment = this.past ? `as of ${fullTime(this.now)}` : fullTime(time);
    const title = `LMCache, ${moment}${counts ? `: ${states}` : ""}`;
    const [calm] = this.#calm(store.status);
    const more = { now: this.now, figures: this.figures(), link: fixedLink(time), calm };
    const rest = [...this.lines.filter(isSilent), ...this.folded];
    const blocks = rest.length ? [...this.blocks, { change: null, lines: rest }] : this.blocks;
    copy(alertsMarkdown(blocks, title, more), "Alerts and figures copied as Markdown");
  }

  /**
   * Show the alerts of now; with `past`, alert events of a fixed time range, those instead.
   * `events` and their `rows` tell what happened before them, and what ended. Where these are a
   * part of the cluster's alerts, `groups` are the groupsOf() all of them.
   */
  update(status, past = null, events = [], rows = [], groups = new Map()) {
    Object.assign(this, { status, past, events, rows, groups });
    this.now = past ? toldAt(status) : shownNow();
    const found = past ? past.map((event) => alertOfEvent(event, this.now)) : status.alerts;
    const isFar = (alert) => !isSilent(alert) && this.isOther(alert);
    this.lines = alertLines((found || []).filter((alert) => !isFar(alert)));
    this.folded = alertLines((found || []).filter(isFar));
    const all = [...this.lines, ...this.folded];
    const isEnded = (event) => event.kind === "alert" && isOver(event);
    const ended = (past || !all.length ? [] : events.filter(isEnded)).map((event) =>
      lineOf([alertOfEvent(event, this.now)]),
    );
    for (const line of [...all, ...ended]) {
      // What the server tells of an alert of now has it already.
      if (!line.details.length) line.details = [shortlyBefore(line, rows)].filter(Boolean);
      // As on the cluster's page, the change is told that others of its group name.
      line.change = namedChange(line, rows) || namedChange(line, rows, groups.get(line.id));
      if (!past) line.details = line.details.map((fact) => withStill(line, fact));
    }
    const active = this.lines.filter((line) => !line.silence);
    const silent = this.lines.filter((line) => line.silence);
    this.blocks = incidentsOf(active, [...silent, ...ended]);
    const shape = all.map(({ id, text, silence: quiet, nodes, details, change }) => [
      id,
      text,
      quiet,
      nodes.length,
      details,
      change && undoOf(change),
    ]);
    const { seconds, live } = timeRange();
    const calm = this.#calm(status);
    const places = this.blocks.map(({ change, lines }) => [Boolean(change), lines.length]);
    const over = [status.silences, status.silences_total, past && this.now];
    const signature = JSON.stringify([shape, places, over, this.showAll, calm, seconds, live]);
    if (signature === this.signature) return;
    // The line whose menu is open is drawn anew once the menu is closed.
    this.signature = this.element.querySelector(".menu:not([hidden])") ? "" : signature;
    this.#speak();
    this.#draw(calm);
  }

  /** There are no alerts, not even silenced ones, and that is known. */
  get calm() {
    const none = !this.lines.length && !this.folded.length && !this.status.silences?.length;
    return none && (this.isBlank || !this.clear.classList.contains("unsure"));
  }

  /** Said when others came, not each time that one grew older. */
  #speak() {
    const ids = this.lines.map((line) => line.id).join();
    if (ids === this.ids) return;
    const first = this.ids === null;
    this.ids = ids;
    if (first) return;
    const texts = this.lines.slice(0, NAMED).map(sentenceOf);
    const said = texts.length
      ? `${plural(this.lines.length, "alert")}: ${texts.join("; ")}`
      : "No alerts";
    setText(this.spoken, said);
  }

  /** What is said without alerts: [text, whether that may change with the next round]. */
  #calm({ counts }) {
    if (this.isBlank) return ["Nothing was recorded in this time range", true];
    if (this.past) return ["No alerts in this time range", false];
    if (counts.unknown) return [unknownText(counts.unknown), true];
    const [other] = this.folded;
    if (other) {
      const what = other.alerts[0].source ? "raised by this frontend" : "for this node itself";
      return [`No active alerts ${what}`, false];
    }
    if (this.lines.length) return ["All active alerts are silenced", false];
    if (store.error) return [`No active alerts at ${clock(store.received)}`, false];
    const states = ["down", "degraded"].filter((state) => counts[state]);
    const found = states.map((state) => `${plain(counts[state])} ${state}`).join(", ");
    // The rules are evaluated at the end of a round.
    if (found) return [`Alerts are being evaluated: ${found}`, true];
    return [ALL_CLEAR, false];
  }

  #draw([calm, unsure]) {
    this.copyAll.hidden = !this.lines.length && !this.folded.length && !this.figures().length;
    const active = this.lines.filter((line) => !line.silence);
    const silent = this.lines.filter((line) => line.silence);
    const alerts = active.reduce((sum, line) => sum + line.alerts.length, 0);
    const what = this.past ? "in this time range" : "active";
    const isGrouped = active.length > 1 && alerts > active.length;
    const grouped = isGrouped ? `, in ${plural(active.length, "group")}` : "";
    const own = active.length ? `${plain(alerts)} ${what}${grouped}` : "";
    const sources = sourcesOf(this.folded);
    const more = this.folded.reduce((sum, line) => sum + line.alerts.length, 0);
    const other = sources.length ? `${plain(more)} on ${sources.join(", ")}` : "";
    setText(this.count, [own, other].filter(Boolean).join(" · "));
    const most = this.showAll || active.length <= SHOWN + 1 ? active.length : SHOWN;
    const draw = () => {
      replace(this.list, blockItems(this.blocks, this.now, this.opened, most));
      this.#drawOthers();
      this.#drawSilences(silent);
    };
    keepFocus(this.element, () => keepMenu(this.element, draw));
    this.clear.hidden = active.length > 0;
    setText(this.clear, calm);
    this.clear.classList.toggle("unsure", unsure);
    this.more.hidden = active.length <= SHOWN + 1; // which is no more than the button
    setText(this.more, this.showAll ? "Show fewer" : `Show all ${plain(active.length)}`);
  }

  /** Silenced alerts, and silences of alerts that are over. */
  async #drawSilences(lines) {
    const over = this.past ? [] : this.status.silences || [];
    this.silenced.hidden = !lines.length && !over.length;
    if (this.silenced.hidden) return;
    // A change stays where it can be undone: here, unless other alerts after it are active.
    const isTold = ({ change }) => this.blocks.some((block) => isOneChange(block.change, change));
    const told = lines.map((line) =>
      line.change && isTold(line) ? { ...line, change: null } : line,
    );
    if (silences)
      silences.drawSilences(this.silenced, this.quiet, told, over, this.status.silences_total);
    else if (await loadSilences()) this.#drawAnew();
  }

  #drawOthers() {
    this.others.hidden = !this.folded.length;
    if (this.others.hidden) return;
    const [own, other] = [this.lines, this.folded].map(([line]) => line && severityOf(line).rank);
    const alerts = this.folded.flatMap((line) => line.alerts);
    const sources = sourcesOf(this.folded);
    const critical = alerts.filter(({ severity }) => severity === "critical").length;
    // Alerts of other nodes stay folded on the page of a node.
    const isGrave = sources.length > 0 && (critical > 0 || own === undefined || other < own);
    if (!this.decided && isGrave) this.others.open = true;
    this.decided = true; // from now on it is as the reader leaves it
    const instance = instanceOf(alerts[0]);
    const where = sources.length
      ? `raised by ${sources.join(", ")}`
      : `on other nodes${instance ? ` of ${instance}` : ""}`;
    const isAll = critical === alerts.length;
    const grave = critical && !isAll ? `, ${plain(critical)} critical` : "";
    const what = plural(alerts.length, isAll ? "critical alert" : "alert");
    setText(this.others.firstChild, `${what} ${where}${grave}`);
    replace(this.far, blockItems(incidentsOf(this.folded), this.now, this.opened));
  }
}

/** The other frontends that raised alerts of these lines. */
const sourcesOf = (lines) => [
  ...new Set(lines.flatMap(({ alerts }) => alerts.map(({ source }) => source)).filter(Boolean)),
];

const spring = () => h("span", { class: "spring" });

const controlsOf = (list) => [...list.querySelectorAll("a, button:not([role=menuitem])")];
const nameOf = (control) =>
  [control.href, control.getAttribute("aria-label"), control.textContent].join();

/** What has the focus in a list: {name, text, index}; null when it is elsewhere. */
function focusIn(list) {
  const focused = document.activeElement;
  if (!list.contains(focused)) return null;
  const index = controlsOf(list).indexOf(focused);
  return { name: nameOf(focused), text: focused.textContent, index };
}

/** Give a lost focus to what is called as what had it, else to what is in its place now. */
function giveBack(list, { name, text, index }) {
  if (document.activeElement !== document.body) return;
  const controls = controlsOf(list);
  const same = controls.find((one) => nameOf(one) === name);
  const next = controls[index] && controls[index].textContent === text ? controls[index] : null;
  const silenced = list.querySelector(".silenced:not([hidden]) > summary");
  const place = same || next || silenced || controls[0];
  if (place) place.focus({ preventScroll: true });
}

/** Draw lines anew, except the line whose menu is open. */
function keepMenu(list, draw) {
  const menu = list.querySelector(".menu:not([hidden])");
  const item = menu && menu.closest("[data-line]");
  const focused = document.activeElement;
  draw();
  if (!item) return;
  const same = ({ dataset }) => dataset.line === item.dataset.line;
  const drawn = [...list.querySelectorAll("[data-line]")].find(same);
  if (!drawn) return;
  drawn.replaceWith(item);
  if (item.contains(focused)) focused.focus({ preventScroll: true });
}

/** Draw a list anew; what had the focus in it has it again. */
function keepFocus(list, draw) {
  const focus = focusIn(list);
  draw();
  if (focus) giveBack(list, focus);
}

function rangeName() {
  const range = timeRange();
  const known = SPANS.find(([, , seconds]) => seconds === range.seconds);
  return range.live ? `last ${known ? known[1] : duration(range.seconds)}` : "this range";
}

/** The card of recent events. */
export class EventCard {
  /** `all` is where all events are listed; at most `most` rows are shown here. */
  constructor(all = "#/events", most = EVENTS) {
    this.most = most;
    this.hint = h("span", { class: "hint" });
    this.kind = h("select", { class: "little", "aria-label": "Filter recent events by kind" });
    this.kind.addEventListener("change", () => this.#draw());
    this.list = h("ul", { class: "events" });
    this.none = h("p", { class: "all-well" });
    this.element = h(
      "section",
      { class: "card event-card", "aria-label": "Recent events" },
      h(
        "header",
        { class: "card-head" },
        h("h2", {}, "Recent events"),
        this.hint,
        spring(),
        this.kind,
        h("a", { href: all }, "All events"),
      ),
      this.none,
      this.list,
    );
    this.rows = [];
    this.signature = "";
  }

  /** Take the rows of the range's events, newest first; `missing` is why they are not known. */
  update(rows, now, missing = "") {
    Object.assign(this, { rows, now });
    setText(this.none, missing || "No events in this time range.");
    this.#offerKinds();
    this.#draw();
  }

  /** Have as many rows as there is room beside these alerts, also when those get more or less. */
  follow({ list, others, silenced }) {
    const follower = new ResizeObserver(() => this.refit());
    for (const part of [list, others, silenced]) follower.observe(part);
  }

  /** The room beside the card changed: the rows are counted anew. */
  refit() {
    this.signature = "";
    if (this.now) this.#draw();
  }

  #offerKinds() {
    const kinds = Object.keys(EVENT_KINDS).filter((kind) =>
      this.rows.some((row) => row.kind === kind),
    );
    const chosen = this.kind.value;
    if (chosen && !kinds.includes(chosen)) kinds.push(chosen);
    if (this.kind.dataset.shown === kinds.join()) return;
    this.kind.dataset.shown = kinds.join();
    const options = kinds.map((kind) => h("option", { value: kind }, EVENT_KINDS[kind]));
    replace(this.kind, h("option", { value: "" }, "All kinds"), options);
    this.kind.value = chosen;
    this.kind.hidden = kinds.length < 2;
  }

  #draw() {
    const { now } = this;
    const rows = this.rows.filter((row) => !this.kind.value || row.kind === this.kind.value);
    this.none.hidden = rows.length > 0;
    const over = ({ alike = [] }) => alike.filter(isOver).length;
    const signature = JSON.stringify([
      rows.map((row) => [row.id, row.until, row.count, eventText(row), over(row)]),
      timeRange().live || now,
      changesNoted(),
    ]);
    if (signature === this.signature) return;
    this.signature = signature;
    const { offsetTop, previousElementSibling: alerts } = this.element;
    const isBeside = alerts && alerts.offsetTop === offsetTop;
    const count = isBeside ? Math.min(BESIDE, this.most) : this.most;
    this.#list(rows, count);
    if (isBeside && count < rows.length) this.#fill(rows, count);
  }

  /** Its neighbour may be higher: list as many rows as have room beside it, `least` of them. */
  #fill(rows, least) {
    const { bottom } = this.element.getBoundingClientRect();
    const free = bottom - this.list.getBoundingClientRect().bottom;
    this.#list(rows, least + Math.floor(free / ROW));
    const has = (row) => row.getBoundingClientRect().bottom < bottom;
    this.#list(rows, Math.max(least, [...this.list.children].filter(has).length));
  }

  #list(rows, count) {
    const some = rows.length > count ? `${plain(count)} of ${plain(rows.length)}` : "";
    // A fixed range stands at the top of the page: there is no room for it and the count.
    const range = timeRange().live || !some ? rangeName() : "";
    setText(this.hint, [range, some].filter(Boolean).join(", "));
    const shown = rows.slice(0, count);
    const today = day(this.now);
    this.list.classList.toggle(
      "dated",
      shown.some((row) => day(rowTime(row)) !== today),
    );
    keepFocus(this.list, () =>
      replace(
        this.list,
        shown.map((row) => eventItem(row, this.now, { brief: true })),
      ),
    );
  }
}
