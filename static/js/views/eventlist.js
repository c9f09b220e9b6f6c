// What happened, in words: rows of events, and the marks that they leave on charts.

import { bounds, timeRange } from "../address.js";
import { getEvents, isFrontend, shownNow, store, trusted } from "../server.js";
import { isNumber } from "../chartmath.js";
import { linked, nodeLink } from "../controls.js";
import { h, icon, replace, setText } from "../dom.js";
import {
  byName,
  clock,
  day,
  duration,
  fullTime,
  plain,
  plural,
  serverNow,
  untilText,
  when,
} from "../format.js";
import { pastTense, SETTABLE, SEVERITIES } from "../words.js";

const TOGETHER = 60; // seconds within which a restart belongs to the down time before it
// Seconds from a request to the poll that sees what it changed.
const SEEN_WITHIN = { changed: 120, nodes: 30 };
// Seconds from a change to the event of its request, which has the time when that ended.
const TOLD_WITHIN = { changed: 1, nodes: 10 };
const NODES = "/api/nodes"; // the list of nodes and frontends, which is no node
// What a short list leaves out: the address of a backend behind the name of its failed check.
const DETAIL = /reports itself unhealthy: |\([^()\s]*:\/\/[^()]*\)/g;
const SLOW = / \([\d.]+ s\)$/; // how slow a node was at first: its alert says how slow it is
const ORIGIN = / \(by [^()]*\)$|, by \w+ from \S+$/; // how the server tells who did something
const ALERTS_TOGETHER = 600; // seconds between alerts of one rule in one row
export const SPREAD = 3; // an alert of more instances is one row
const ALIKE = 4; // so many events of one kind at one time become one row
const AS_ONE = ["alert", "action", "changed"]; // kinds of which two are one row already
const LASTING = ["node_down", "node_degraded", "alert"];

/** Kind of an event -> its name in the filter. */
export const EVENT_KINDS = {
  node_down: "Node down",
  node_degraded: "Node degraded",
  node_up: "Node up",
  restart: "Restarts",
  changed: "Changes",
  alert: "Alerts",
  action: "Actions",
  nodes: "Nodes added or removed",
  source: "Sources",
};

export const isOver = (event) => event.until !== null && event.until !== undefined;
export const lasts = (event) => LASTING.includes(event.kind) && !isOver(event);
/** Where a row stands in a list: what is over at its end, and that is the last time of several. */
export const rowTime = (event) =>
  isOver(event) && (LASTING.includes(event.kind) || event.count > 1) ? event.until : event.time;
/** The second that is shown: in it, what lasts stands above what ended as it began. */
const second = (event) => Math.floor(rowTime(event));
/** From one second that is shown to the other, so that they add up. */
export const secondsBetween = (start, end) => Math.floor(end) - Math.floor(start);
/** The time of which the page tells how long things have lasted: a fixed range ends by now. */
export const toldAt = ({ time }) =>
  timeRange().live ? shownNow() : Math.min(time, bounds(time).end);
export const lastedSeconds = (event, now) =>
  secondsBetween(event.time, isOver(event) ? event.until : now);

/** A restart just after a node came back, as {down event -> restart}. */
function restartsAfterDown(events) {
  const found = new Map();
  const downs = events.filter((event) => event.kind === "node_down" && isOver(event));
  for (const restart of events) {
    if (restart.kind !== "restart") continue;
    const down = downs.find(
      (one) => one.node === restart.node && Math.abs(one.until - restart.time) <= TOGETHER,
    );
    if (down) found.set(down, restart);
  }
  return found;
}

/** The request that made a change of settings or nodes: {change -> action}; newest first. */
function requestsOfChanges(events) {
  const found = new Map();
  const sent = new Map(); // by what they change
  for (const event of events) {
    if (event.kind !== "action" || event.status >= 400) continue;
    const what = changedBy(event);
    sent.set(what, [...(sent.get(what) || []), event]);
  }
  const taken = new Set(); // the list of nodes changes once for each request, in their order
  for (const change of [...events].reverse()) {
    const { kind, node } = change;
    if (!(kind in SEEN_WITHIN)) continue;
    const [first, last] = [change.time - SEEN_WITHIN[kind], change.time + TOLD_WITHIN[kind]];
    const near = (sent.get(kind === "nodes" ? NODES : node) || []).filter(
      ({ time, until }) => time <= last && (until ?? time) > first,
    );
    const isFree = (one) => !taken.has(one) || one.count > 1;
    const request = kind === "nodes" ? near.reverse().find(isFree) : near[0];
    if (!request) continue;
    taken.add(request);
    found.set(change, request);
  }
  return found;
}

/** What a request changes: the list of nodes, or the settings of a node. */
function changedBy({ path, node }) {
  if (/^\/api\/(?:nodes|proxies)(?:\/|$)/.test(path || "")) return NODES;
  return /\/conf(ig)?($|\?)/.test(path || "") ? node : null;
}

/** Events as they were at a time: what ended later still lasts. */
export const asOf = (events, time) =>
  events.map((event) =>
    isOver(event) && event.until > time ? { ...event, until: null, end_reason: "" } : event,
  );

/** What an event says without the name of its node. */
const template = (event) => (event.node ? event.text.split(event.node).join("…") : event.text);

/** The same, for "slow response (2.1 s)" and "slow response (2.3 s)". */
export const reasonOf = (event) => template(event).replace(/[\d.]+/g, "0");

const SILENCED = /^[/]api[/]alerts[/]([^/?]+)[/]silence/;

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    return text;
  }
}

/** Whether an event is that somebody silenced an alert, or ended that. */
const isSilencing = ({ kind, path }) => kind === "action" && SILENCED.test(path || "");

/** The id of the alert in the path of such a request. */
const alertIn = ({ path }) => decoded(SILENCED.exec(path)[1]);

/** What events that may become one row have in common. */
function likeness(event) {
  const { end_reason: endReason } = event;
  if (event.kind === "alert" && event.rule) return ["alert", event.rule, endReason].join();
  if (isSilencing(event)) {
    const { method, by, from, status, silence } = event;
    const [rule] = alertIn(event).split(":");
    return ["silence", method, by, from, status, rule, silence?.comment].join();
  }
  if (!event.node) return `${event.id}`;
  // Nodes that go down together are one outage, whatever the reason of each.
  if (event.kind === "node_down") return [event.kind, event.restarted].join();
  const isState = event.kind.startsWith("node_");
  const said = isState ? reasonOf(event) : template(event);
  return [event.kind, said, event.error, actorOf(event)].join();
}

/**
 * The row of events that say the same, newest first: it lasts as long as one of them does. Of those
 * that last the first is named, as the list of alerts does.
 */
function rowOf(group) {
  const lasting = group.filter((event) => !isOver(event));
  const [first] = [...(lasting.length ? lasting : group)].sort(
    (a, b) => a.time - b.time || byName(a.node || "", b.node || ""),
  );
  const until = lasting.length ? null : Math.max(...group.map((event) => event.until));
  return { ...first, until, alike: group };
}

const SWITCH = /[/](enable|disable|add|remove|start|stop)$/;

/** What an event sets that the next one may set back or again; "" of what sets nothing. */
function subjectOf(event) {
  const { kind, node, path = "", changes } = event;
  if (isSilencing(event)) return alertIn(event);
  if (kind === "changed") return [kind, node, ...Object.keys(changes || {})].join("\n");
  return kind === "action" ? path.split("?")[0].replace(SWITCH, "") : "";
}

/**
 * Events that are alike and near in time, in groups; all are newest first. What was done, undone
 * and done again is in groups of its own each time.
 */
function inGroups(events, id) {
  const groups = [];
  const latest = new Map(); // what events are alike in -> the group of the last of them
  const groupOf = new Map(); // what events set -> the group of the last of them
  const closed = new Set();
  for (const event of events) {
    const subject = subjectOf(event);
    closed.add(groupOf.get(subject));
    const apart = event.kind === "alert" ? ALERTS_TOGETHER : TOGETHER;
    let group = latest.get(id(event));
    const isOpen = group && !closed.has(group);
    if (isOpen && group[group.length - 1].time - event.time <= apart) group.push(event);
    else {
      group = [event];
      groups.push(group);
      latest.set(id(event), group);
    }
    if (subject) groupOf.set(subject, group);
  }
  return groups;
}

const countOf = (events, name) => new Set(events.map((event) => event[name])).size;

/** Whether nodes went down together and, if so, came back together. */
function areOneOutage(group) {
  const ends = group.map(({ until }) => until ?? Infinity);
  const [first, last] = [Math.min(...ends), Math.max(...ends)];
  return group[0].kind === "node_down" && (first === last || last - first <= TOGETHER);
}

/** Events that say the same of several nodes at about one time, as one row. */
function together(events) {
  const perInstance = (group) =>
    group[0].kind === "alert" && countOf(group, "instance") <= SPREAD
      ? inGroups(group, (event) => event.instance)
      : [group];
  const least = (group) => (AS_ONE.includes(group[0].kind) || areOneOutage(group) ? 2 : ALIKE);
  const isOne = (group) =>
    isSilencing(group[0]) ? countOf(group, "path") > 1 : countOf(group, "node") >= least(group);
  return inGroups(events, likeness)
    .flatMap(perInstance)
    .flatMap((group) => (isOne(group) ? [rowOf(group)] : group))
    .sort((a, b) => second(b) - second(a) || lasts(b) - lasts(a) || rowTime(b) - rowTime(a));
}

/** Alerts whose event of the node's state is there too: "w0 is down" need not be read twice. */
function saidByState(events) {
  const states = events.filter((event) => event.kind.startsWith("node_"));
  const end = (event) => event.until ?? Infinity;
  const same = (alert) => (one) =>
    one.kind === alert.rule &&
    one.node === alert.node &&
    one.time <= end(alert) &&
    alert.time <= end(one);
  return events.filter((event) => event.kind === "alert" && states.some(same(event)));
}

/**
 * Events as rows, newest first: a down time and the restart that ended it are one row
 * ({restarted}), a change and the request that made it, too ({by, from}), and what happened to many
 * nodes at once is one ({alike: events}). The end of a lasting event is where its row stands, and
 * an alert that repeats a state has none.
 */
export function eventRows(events) {
  const restarts = restartsAfterDown(events);
  const requests = requestsOfChanges(events);
  // One that was sent several times changed more than is listed.
  const told = [...requests.values()].filter(({ count }) => !(count > 1));
  const hidden = new Set([...restarts.values(), ...told]);
  const recovered = events.filter((event) => event.kind === "node_down" && isOver(event));
  const isEnd = (event) =>
    event.kind === "node_up" &&
    recovered.some((one) => one.node === event.node && Math.abs(one.until - event.time) < 2);
  for (const alert of saidByState(events)) hidden.add(alert);
  const kept = events.filter((event) => !hidden.has(event) && !isEnd(event));
  const silences = silencesOf(kept);
  const rows = kept.map((event) => {
    const { by, from } = requests.get(event) || event;
    const text = by ? event.text.replace(ORIGIN, "") : event.text; // its note says it
    const silence = event.silence || silences.get(event);
    const alert = isSilencing(event) ? silencedText(event, events) : null;
    return { ...event, by, from, text, silence, alert, restarted: restarts.has(event) };
  });
  return together(rows);
}

/** The alert that an action silenced, as the status has it; null when it is not active. */
function silencedAlert(event) {
  const id = isSilencing(event) && alertIn(event);
  const alerts = (store.status && store.status.alerts) || [];
  return (id && alerts.find((alert) => alert.id === id || alert.group === id)) || null;
}

/** Events that began the silences of now: the last request for each alert. Newest first. */
function silencesOf(events) {
  const found = new Map();
  const seen = new Set();
  for (const event of events) {
    const alert = silencedAlert(event);
    if (!alert || event.status >= 400 || seen.has(alert)) continue;
    seen.add(alert);
    if (event.method === "POST" && alert.silence) found.set(event, alert.silence);
  }
  return found;
}

/** What the alert said that an action silenced, else what the event of that alert says. */
function silencedText(event, events) {
  const isIt = ({ kind, rule, node, instance, time }) =>
    kind === "alert" && `${rule}:${node || instance}` === alertIn(event) && time <= event.time;
  const found = event.alert ? null : events.find(isIt) || silencedAlert(event);
  return found ? found.text : event.alert;
}

/** "Alert silenced until 16:00 (“known”): w0 restarted 2 times", or the end of it. */
function silenceText(event) {
  const { method, status, silence, alert, alike = [event] } = event;
  const keyOf = (one) => alertIn(one).replace(/^[^:]*:?/, "");
  const texts = new Map(alike.map((one) => [keyOf(one), one.alert || ""]));
  const [rule] = alertIn(event).split(":");
  const node = keyOf(event);
  const id = rule.replace(/_/g, " ") + (node ? ` on ${node}` : "");
  const nodes = [...texts].map(([key, said]) => ({
    node: key,
    instance: (store.byKey.get(key) || {}).instance_id,
    text: said,
  }));
  const many = nodes.length > 1 ? plural(nodes.length, "alert") : "";
  const said = withOthers(alert ? headline(alert) : id, { node, alike: many && nodes });
  const failure = status >= 400 ? ` ${failureVerb(event)}` : "";
  const begun = `${many || "Alert"}${failure} silenced`;
  const done = method === "POST" ? begun : `Silence${many && ` of ${many}`}${failure} ended`;
  const until = silence && silence.until ? ` ${untilText(silence.until, event.time)}` : "";
  const comment = silence && silence.comment ? ` (“${silence.comment}”)` : "";
  const failed = failure && ` (${failureReason(event)})`;
  return `${done}${until}${comment}${failed}: ${said}`;
}

const WHO = { token: "by token", local: "from this host", everyone: "without a token" };

/** Who did something: "by token from 10.2.0.14", "from this host"; "" when that is not known. */
export const actorOf = ({ by, from }) =>
  by ? [WHO[by] || by, by === "local" ? "" : from].filter(Boolean).join(" from ") : "";

const GLYPHS = {
  node_down: { sign: "■", state: "down" },
  node_degraded: { sign: "◆", state: "degraded" },
  node_up: { sign: "●", state: "up" },
  restart: { image: "restart" },
  changed: { image: "change" },
  action: { image: "action" },
  nodes: { image: "plus" },
  source: { image: "link" },
};

function glyph(event) {
  const resolved = event.kind === "alert" && isOver(event);
  if (resolved && event.end_reason)
    return h("span", { class: "glyph unknown", title: "no longer evaluated" }, "○");
  if (resolved) return h("span", { class: "glyph up", title: "resolved" }, icon("check"));
  const { state } = SEVERITIES[event.severity] || SEVERITIES.info;
  const alert = { sign: { down: "■", degraded: "◆", unknown: "○" }[state], state };
  const isRemoval = event.kind === "nodes" && event.removed?.length && !event.added?.length;
  const kindLook = isRemoval ? { sign: "−" } : GLYPHS[event.kind];
  const look = event.kind === "alert" ? alert : kindLook || { sign: "·" };
  const kind = EVENT_KINDS[event.kind] || event.kind;
  const content = look.image ? icon(look.image) : look.sign;
  // What is over has no colour; it may have ended in another fault, so it gets no tick either.
  const isPast = LASTING.includes(event.kind) && isOver(event);
  const colour = (!isPast && look.state) || "";
  const title = isPast ? `${kind}, over` : kind;
  return h("span", { class: `glyph ${colour}`.trim(), title }, content);
}

/** "8 nodes and 1 frontend": other frontends are no nodes. */
export function nodesAndFrontends(names) {
  const frontends = names.filter(isFrontend).length;
  const counts = [
    [names.length - frontends, "node"],
    [frontends, "frontend"],
  ];
  return counts
    .filter(([number]) => number)
    .map(([number, what]) => plural(number, what))
    .join(" and ");
}

/** " of a and b", " of 9 instances of llama": the instances of events; many are counted. */
function placesOf(events, nodes, of = "of") {
  const ids = [...new Set(events.map(({ instance }) => instance))];
  const names = ids.map((id) => store.instances.get(id));
  if (ids.length < SPREAD) return names.every(Boolean) ? ` ${of} ${names.join(" and ")}` : "";
  if (!ids.every(Boolean)) return "";
  const [model, ...more] = new Set(nodes.map((key) => store.byKey.get(key)?.model));
  const isOther = (node) => node.model && node.model !== model;
  const tells = model && !more.length && store.status.nodes.some(isOther);
  return ` ${of} ${plural(ids.length, "instance")}${tells ? ` of ${model.split("/").pop()}` : ""}`;
}

const nodesOf = (events) => [...new Set(events.map(({ node }) => node).filter(Boolean))];

/** "w0 and w1"; more nodes are counted: "4 nodes of a", "All 6 nodes of a". */
function manyNodes(events) {
  const nodes = nodesOf(events);
  if (nodes.length === 2) return nodes.sort(byName).join(" and ");
  const instances = new Set(events.map((event) => event.instance));
  const members = (store.status?.nodes || []).filter((node) => instances.has(node.instance_id));
  const isAll = instances.size === 1 && nodes.length === members.length;
  return `${isAll ? "All " : ""}${nodesAndFrontends(nodes)}${placesOf(events, nodes)}`;
}

const FIGURES = / \([^()]*\d[^()]*\)$/; // of a reason: "slow response (2.1 s)"
const MOST_REASONS = 3; // in a sentence
const STATE = / (is|was) ([^:]*)(?:: (.*))?$/;

/** "4 nodes are down: refused"; of reasons that differ it says how many nodes each has. */
function stateOfAll(events, [, verb, state, why]) {
  const are = ` ${verb === "is" ? "are" : "were"} ${state}`;
  const whyOf = ({ text = "" }) => (STATE.exec(headline(text)) || [])[3] || "";
  const reasons = new Map(events.map((event) => [event.node, whyOf(event)]));
  if (new Set(reasons.values()).size < 2) return manyNodes(events) + are + (why ? `: ${why}` : "");
  const nodes = new Map(); // reason without figures -> nodes
  for (const [node, reason] of reasons) {
    const short = reason.replace(FIGURES, "");
    nodes.set(short, [...(nodes.get(short) || []), node]);
  }
  if (nodes.has("") || nodes.size > MOST_REASONS) return manyNodes(events) + are;
  if (nodes.size > 1 && reasons.size === 2) {
    const each = [...nodes].map(([reason, [node]]) => `${node} (${reason})`);
    return each.sort(byName).join(" and ") + are;
  }
  const most = [...nodes].sort(([, a], [, b]) => b.length - a.length);
  const on = ({ length, 0: node }) => (length > 1 ? plain(length) : node);
  const said = most.map(([reason, of]) => (most.length > 1 ? `${reason} on ${on(of)}` : reason));
  return `${manyNodes(events)}${are}: ${said.join(", ")}`;
}

/** What an alert says of one node, with the number of the others that it concerns. */
export function withOthers(said, { node, alike }) {
  if (!alike) return said;
  // "w0 is unreachable" of several.
  const state = node && said.startsWith(node) && STATE.exec(said);
  if (state) return stateOfAll(alike, state);
  const nodes = nodesOf(alike);
  const [other] = nodes.filter((key) => key !== node);
  const places = countOf(alike, "instance") > 1 ? placesOf(alike, nodes, "in") : "";
  const others = nodes.length === 2 ? other : plural(nodes.length - 1, "other") + places;
  const at = node ? said.indexOf(` ${node}`) + 1 : 0; // no subject of a verb
  if (!at) return `${said} (and ${others})`;
  const end = at + node.length;
  return `${said.slice(0, end)} and ${others}${said.slice(end)}`;
}

const NAME = "([^/?]+)";
const BACKEND = "[?]backend_name=([^&]+)";

/** Requests that change something, without their prefix, and what they did; $1 is a name there. */
const ACTIONS = [
  ["POST /conf", "settings changed"],
  ["GET /loglevel[?]logger_name=([^&]+)&level=([^&]+)", "log level of $1 set to $2"],
  ["POST /run_script", "script run"],
  [`PUT /bypass/add${BACKEND}`, "$1 bypassed"],
  [`PUT /bypass/remove${BACKEND}`, "bypass of $1 ended"],
  ["PUT /freeze/enable", "freeze started"],
  ["PUT /freeze/disable", "freeze ended"],
  ["PUT /hot_cache/enable", "hot cache enabled"],
  ["PUT /hot_cache/disable", "hot cache disabled"],
  ["DELETE /cache/clear[?]locations=([^&]+)", "$1 cleared"],
  ["(?:DELETE|POST) /(?:cache/clear|clear-cache)", "cache cleared"],
  [`POST /backends/${NAME}/recreate`, "$1 recreated"],
  [`DELETE /backends/${NAME}`, "$1 removed"],
  ["POST /backends", "missing backends created"],
  ["POST /lookup/create", "lookup created"],
  ["POST /lookup/recreate", "lookup recreated"],
  ["POST /lookup/close", "lookup closed"],
  ["POST /chunk_statistics/start", "chunk statistics started"],
  ["POST /chunk_statistics/stop", "chunk statistics stopped"],
  ["POST /chunk_statistics/reset", "chunk statistics reset"],
  ["POST /metrics/reset", "metrics reset"],
  ["PUT /quota/config", "default quota set"],
  [`PUT /quota/${NAME}`, "quota of $1 set"],
  [`DELETE /quota/${NAME}`, "quota of $1 removed"],
  ["POST /(?:cache/pins|pin)", "prompt pinned"],
  ["DELETE /cache/pins", "prompt unpinned"],
  ["POST /cache/prefetches", "prompt prefetched"],
  ["POST /cache/delete", "KV of a prompt deleted"],
  ["POST /move", "KV of a prompt moved"],
  ["POST /compress", "KV of a prompt compressed"],
  ["POST /decompress", "KV of a prompt decompressed"],
  ["POST /api/nodes", "node added"],
  ["POST /api/proxies", "frontend added"],
  [`POST /api/proxies/${NAME}/nodes`, "node added behind $1"],
  [`PUT /api/nodes/${NAME}`, "node $1 changed"],
  [`DELETE /api/nodes/${NAME}`, "node $1 removed"],
  ["POST /api/heartbeat/start", "heartbeats started"],
  ["POST /api/heartbeat/stop", "heartbeats stopped"],
].map(([request, words]) => [new RegExp(`^${request}(?:[?].*)?$`), words]);

const UNSURE = [499, 504]; // after these a node may have made the change all the same
const REASONS = {
  400: "the request was rejected",
  403: "not permitted",
  404: "not found",
  409: "conflict with the current state",
  422: "the request was rejected",
  499: "the client disconnected before the response",
  500: "internal error",
  502: "no valid response",
  503: "not available",
  504: "no response in time",
};

const failureVerb = ({ status }) =>
  UNSURE.includes(status) ? "may not have been" : "could not be";
const failureReason = ({ error, status }) => error || REASONS[status] || `HTTP status ${status}`;

/**
 * What somebody did, in words, without who it was; requests that have none are told as they were
 * sent.
 */
function actionText(event) {
  const { method, path, node, status, text, alike } = event;
  if (method && isSilencing(event)) return silenceText(event);
  if (!method || !path) return text.replace(/ \(by [^()]*\)$/, "");
  const request = `${method} ${path.replace(/^(?:\/proxy2\/[^/?]+)+(?=\/)/, "")}`;
  const failed = status >= 400;
  const [pattern, done] = ACTIONS.find(([one]) => one.test(request)) || [];
  const where = alike ? manyNodes(alike).replace(/^All /, "all ") : node;
  const place = where ? ` on ${where}` : "";
  const reason = failed ? `: ${failureReason(event)}` : "";
  if (!done) return `${method} ${path}${place}${failed ? " failed" : ""}${reason}`;
  // "settings changed", "log level of $1 set to $2": the participle is the last word before "to".
  const words = failed ? done.replace(/ (\w+)( to \$2)?$/, ` ${failureVerb(event)} $1$2`) : done;
  const said = `${request.replace(pattern, words)}${place}${reason}`;
  return said.charAt(0).toUpperCase() + said.slice(1);
}

/** What an alert says first; the reason that it found for a hit rate is its evidence. */
export const headline = (text) =>
  text.replace(DETAIL, "").replace(/^(\S+ hit rate of .*?)(?:, TTFT |; ).*$/, "$1");

/** The words of an alert without its figures and reasons. */
const wordsOf = (text) => headline(text).split(": ")[0].replace(/\d+/g, "0");

/**
 * The sentence of an alert: one that is active now has the figures of now, as its line does; when
 * its words are others by now, what happened stays as it was.
 */
function alertText({ rule, node, instance, text, until }) {
  if (!timeRange().live || isOver({ until })) return text;
  const alerts = (store.status && store.status.alerts) || [];
  const same = (one) =>
    one.rule === rule && one.node === node && (node || one.instance === instance);
  const now = (alerts.find(same) || { text }).text;
  return wordsOf(now) === wordsOf(text) ? now : text;
}

const NO_SETTINGS = ["version", "role", "model", "kind"]; // what else changes of a node
const MASKED = "********"; // stands for a secret

/** A change of settings that was not made through this frontend says so. */
const outside = ({ kind, changes, by }) =>
  kind !== "changed" || by || NO_SETTINGS.some((name) => changes?.[name])
    ? ""
    : " (not made through this frontend)";

const knownChanges = new Map(); // "node\nsetting" -> [{time, value}], oldest first
let noted = 0; // grows with every change that becomes known

/** A number that is another one when more changes are known: what can be undone follows them. */
export const changesNoted = () => noted;
let source = null; // start time of the server process that reported them

/** The known changes of each setting; those of a previous server process are dropped. */
function changesByNode() {
  const { started = null } = store.status || {};
  if (started !== source) knownChanges.clear();
  source = started;
  return knownChanges;
}

/** Keep what settings were changed to. */
function noteChanges(events) {
  changesByNode();
  for (const { changes, node, time } of events)
    for (const [setting, [, value]] of Object.entries(changes || {})) {
      const id = `${node}\n${setting}`;
      const known = knownChanges.get(id) || [];
      if (known.some((one) => one.time === time)) continue;
      noted += 1;
      knownChanges.set(
        id,
        [...known, { time, value }].sort((a, b) => a.time - b.time),
      );
    }
}

/** The next change of a node's setting after this one, and what it is `now`: {time, value, now}. */
function changedSince({ setting, time }, node) {
  const known = changesByNode().get(`${node}\n${setting}`) || [];
  const next = known.find((one) => one.time > time);
  return next ? { ...next, now: known[known.length - 1].value } : null;
}

/** The changed settings of a row: [{setting, before, after, nodes, time, by}]. */
export function changesOf(row) {
  const found = new Map();
  const by = actorOf(row);
  for (const { changes, node, time } of row.alike || [row])
    for (const [setting, [before, after]] of Object.entries(changes || {})) {
      if (!node || NO_SETTINGS.includes(setting)) continue;
      const id = [setting, before, after].join("\n");
      if (!found.has(id)) found.set(id, { setting, before, after, nodes: [], time, by });
      const change = found.get(id);
      change.nodes.push(node);
      change.time = Math.max(change.time, time);
    }
  return [...found.values()];
}

/** What became of a change on whose nodes the setting was changed again: {time, text, says}. */
function overtaken({ setting, before }, later) {
  const [last] = [...later].sort((a, b) => b.time - a.time);
  const isUndone = later.every(({ value }) => value === before);
  return {
    time: last.time,
    text: `${isUndone ? "undone" : "changed again"} ${clock(last.time)}`,
    isUndone,
    says: `${setting} is ${last.now} ${isUndone && last.now === before ? "again" : "now"}`,
  };
}

/**
 * Where a change is undone: {text, href, says}. Without href a newer change of that setting made
 * that unnecessary: `isUndone` if it set the value back. Bulk actions are filled in with it, or,
 * where it cannot be set, the Config of its first node shows it.
 */
export function undoOf(change) {
  const { setting, before, nodes } = change;
  const can = ({ kind }) => SETTABLE.includes(kind);
  const later = nodes.map((key) => changedSince(change, key));
  if (nodes.length && later.every(Boolean)) return overtaken(change, later);
  const open = nodes.filter((key, i) => !later[i]);
  const known = open.map((key) => store.byKey.get(key)).filter(Boolean);
  const keys = known.map(({ key }) => key).sort(byName);
  if (!keys.length) return null;
  if (known.every(can) && !before.includes(MASKED)) {
    const query = new URLSearchParams({ action: "setting", key: setting, value: before });
    query.set("nodes", keys.join());
    const where = keys.length > 1 ? plural(keys.length, "node") : keys[0];
    const locked = trusted() ? "" : " (needs the access token)";
    const says = `Undo: set ${setting} back to ${before} on ${where} …${locked}`;
    return { text: "Undo …", href: `#/many?${query}`, says };
  }
  const href = `${nodeLink(known[0], "config")}?q=${encodeURIComponent(setting)}`;
  return { text: "Config", href, says: `${setting} in the Config of ${known[0].key}` };
}

/** The same as a link; null where the nodes of a change are no more. */
export function undoLink(change) {
  const undo = change && undoOf(change);
  if (!undo) return null;
  const { text, href, says, isUndone } = undo;
  if (!href) return h("span", { class: "undo", title: says }, isUndone && icon("check"), text);
  return h("a", { class: "undo", href, title: says, "aria-label": says }, text);
}

/** How an alert ended: "No longer evaluated (node down)", where nothing shows that all is well. */
export const endOf = (reason) => (reason ? `No longer evaluated (${reason})` : "Resolved");

/** What an event says; a `brief` one without the reasons that an alert gives. */
export function eventText(event, brief = false) {
  if (event.kind === "action") return actionText(event);
  // Who made a change is told in its note.
  const origin = event.by ? /, by \S+ from \S+$/ : "";
  const whole = event.kind === "alert" ? alertText(event) : event.text.replace(origin, "");
  const text = event.restarted ? `${event.node} down, then restarted` : whole;
  const tense = isOver(event) ? pastTense : String;
  if (event.kind === "alert") {
    const said = withOthers(tense(brief ? headline(text) : text), event);
    return `${isOver(event) ? endOf(event.end_reason) : "Alert"}: ${said}`;
  }
  const short = brief ? text.replace(DETAIL, "").replace(SLOW, "") : text;
  if (!event.alike) return (LASTING.includes(event.kind) ? tense(short) : short) + outside(event);
  if (event.restarted) return `${manyNodes(event.alike)} down, then restarted`;
  if (LASTING.includes(event.kind)) return withOthers(tense(short), event);
  const who = manyNodes(event.alike);
  const same = template(event) + outside(event);
  if (!same.startsWith("… ")) return `${who}: ${same}`;
  const said = ` ${same.slice(2)}`.replace(/^ is /, " are ").replace(/^ has /, " have ");
  return who + said;
}

/** "2 of 155 ": how many of the nodes of a row still are as it says, when not all of them are. */
function stillSo({ alike = [] }) {
  const [still, all] = [alike.filter((event) => !isOver(event)), alike].map((events) =>
    countOf(events, "node"),
  );
  return still < all ? `${plain(still)} of ${plain(all)} ` : "";
}

const isCounted = (event) => event.count > 1 && isOver(event) && event.seconds > 0;

/** How long a row lasted: "up to 17 min" when that differs between its nodes. */
function longest({ alike, ...event }, now) {
  const secondsOf = (one) => (isCounted(one) ? one.seconds : lastedSeconds(one, now));
  if (!alike || !isOver(event)) return ["", duration(secondsOf(event))];
  const all = alike.map(secondsOf).sort((a, b) => a - b);
  const [shortest, most] = [all[0], all[all.length - 1]].map(duration);
  return [shortest === most ? "" : " up to", most];
}

/** How long it lasted, how often it happened, or who did it: [muted, bold]. */
export function eventNote(event, now) {
  const times = event.count > 1 ? `${event.count} times` : "";
  const [upTo, long] = longest(event, now);
  if (lasts(event)) {
    if (event.kind === "alert") return [`${stillSo(event)}active,`, long];
    return [`${stillSo(event)}ongoing,${times && ` ${times} in`}`, long];
  }
  if (!LASTING.includes(event.kind))
    return [[actorOf(event), times].filter(Boolean).join(", "), ""];
  const lasted = `${event.end_reason ? "active for" : "lasted"}${upTo}`;
  if (event.kind === "alert") return [lasted, long];
  // "Resolved: …" is of its end; "w0 was down" has both times.
  if (!times || upTo) return [`from ${when(event.time, event.until)}, ${lasted}`, long];
  return [isCounted(event) ? `${times}, in all` : `${times} in`, long];
}

/** How long something has lasted by now, from one second that clocks show to the other. */
export const ageText = (since, now) => duration(secondsBetween(since, now));

/** The same, told anew each second, and not to a screen reader. */
export const ageOf = (since, now = shownNow()) =>
  h("span", { dataset: { since }, "aria-live": "off" }, ageText(since, now));

/** Tell all ages anew, and again as the clock shows the next second. */
function tellAges() {
  const now = shownNow();
  for (const age of document.querySelectorAll("[data-since]"))
    setText(age, ageText(Number(age.dataset.since), now));
  setTimeout(tellAges, 1000 - ((serverNow() * 1000) % 1000));
}

tellAges();

const unfolded = new Set(); // ids of rows and alerts whose nodes are listed
// The number of nodes in a text.
const COUNTED = /\b\d[\d,]* (?:nodes?(?: and \d[\d,]* frontends?)|nodes|others?)\b/;

/** A text, and the list of its `nodes` that their number in it opens; null without a number. */
export function withNodeList(text, nodes, id) {
  const keys = [...new Set(nodes)].sort(byName);
  const counted = keys.length > 1 && COUNTED.exec(text);
  if (!counted) return [linked(text), null];
  const [words] = counted;
  const list = h("p", { class: "event-nodes" });
  const face = h("button", { type: "button", class: "link" }, words);
  const show = (open) => {
    face.setAttribute("aria-expanded", String(open));
    face.setAttribute("aria-label", `${words}: ${open ? "hide" : "list"} them`);
    const link = (key) => h("a", { href: nodeLink({ key }) }, key);
    replace(list, open ? keys.map((key, i) => [i ? ", " : "", link(key)]) : null);
    list.hidden = !open;
  };
  face.addEventListener("click", () => {
    if (!unfolded.delete(id)) unfolded.add(id);
    show(unfolded.has(id));
  });
  show(unfolded.has(id));
  const rest = text.slice(counted.index + words.length);
  // No line begins with the colon that follows a button.
  const mark = rest.startsWith(":") ? ":" : "";
  const number = h("span", { class: "gap" }, face, mark);
  return [[linked(text.slice(0, counted.index)), number, linked(rest.slice(mark.length))], list];
}

/** What a row says, and the list of its nodes that their number opens; null without one. */
function rowText(event, brief) {
  const undo = changesOf(event)
    .map(undoLink)
    .filter(Boolean)
    .map((link) => ["\u00a0", link]); // on the line of the last word
  const [said, list] = withNodeList(eventText(event, brief), nodesOf(event.alike || []), event.id);
  return [[said, undo], list];
}

/** The time at which a row stands, in full; of what is over when it began, too. */
function timesText(event) {
  const time = fullTime(rowTime(event));
  if (rowTime(event) === event.time) return time;
  if (!LASTING.includes(event.kind)) return `${time}, the first time ${fullTime(event.time)}`;
  const end = event.kind === "alert" && !event.end_reason ? "resolved" : "ended";
  return `${end} ${time}, began ${fullTime(event.time)}`;
}

/** A note as parts of which each has a line where they do not fit one: "from 05:22:49,". */
function noteParts(muted, length) {
  const parts = muted.split(", ");
  const last = parts.pop();
  return [
    parts.map((part) => [h("span", {}, `${part},`), " "]),
    last || length ? h("span", {}, last, last && length ? " " : "", length) : null,
  ];
}

/** One row of a list of events; its day is told when it is not that of `today`. */
export function eventItem(event, now, { brief = false, today = now } = {}) {
  const [muted, bold] = eventNote(event, now);
  const [said, nodes] = rowText(event, brief);
  const isAgeing = lasts(event) && timeRange().live;
  const length = bold && h("b", {}, isAgeing ? ageOf(event.time) : bold);
  return h(
    "li",
    { dataset: { kind: event.kind } },
    h("time", { title: timesText(event) }, when(rowTime(event), today)),
    glyph(event),
    h("span", { class: "event-text" }, said),
    h("span", { class: "for" }, noteParts(muted, length)),
    nodes,
  );
}

/** Rows of events under their days. */
export function eventItems(rows, now) {
  let last = "";
  return rows.map((row) => {
    const date = day(rowTime(row));
    const heading = date === last ? null : h("li", { class: "event-day" }, date);
    last = date;
    return [heading, eventItem(row, now, { today: rowTime(row) })];
  });
}

const MARK_KINDS = {
  node_down: "down",
  restart: "restart",
  changed: "change",
  alert: "alert",
  action: "action",
};
const MOST_MARKS = 60;

function marksOfEvent(event) {
  const { time, until, node, rule } = event;
  const kind = MARK_KINDS[event.kind];
  const alike = rule || template(event);
  // Down times that were merged into one event: it was not down all the time.
  const partly = event.count > 1;
  const mark = { time, until, node, kind, partly, alike, more: 0, title: eventText(event) };
  if (event.kind !== "alert") return [mark];
  const critical = event.severity === "critical";
  const begin = { ...mark, critical, title: `Alert: ${event.text}` };
  const isResolved = isOver(event) && !event.end_reason;
  return isResolved ? [begin, { ...mark, time: until, kind: "resolved" }] : [begin];
}

/** Marks, oldest first, in which what happened to several nodes at once is one with `more`. */
function oneForAll(marks) {
  const kept = [];
  const latest = new Map(); // what marks are alike in -> the last of them
  for (const mark of marks) {
    const id = [mark.kind, mark.critical, mark.alike].join();
    const same = latest.get(id);
    const isSame = same && mark.time - same.time <= TOGETHER && mark.node !== same.node;
    if (isSame && mark.kind !== "down") same.more += 1;
    else {
      kept.push(mark);
      latest.set(id, mark);
    }
  }
  return kept;
}

/**
 * The marks of events on charts, oldest first: [{time, until, node, kind, title, more}], where
 * `more` counts other nodes to which the same happened.
 */
export function marksOf(events) {
  // By the mark of the change, and by the span in which the node was down.
  const told = new Set([...requestsOfChanges(events).values(), ...saidByState(events)]);
  const others = events.filter((event) => !isSilencing(event));
  const silences = events
    .filter(isSilencing)
    .map((event) => ({ ...event, alert: silencedText(event, events) }));
  const marks = [...others, ...together(silences)]
    .filter((event) => event.kind in MARK_KINDS && !told.has(event))
    .flatMap(marksOfEvent)
    .sort((a, b) => a.time - b.time);
  return oneForAll(marks).slice(-MOST_MARKS);
}

const PAGE = 500;
/** The most events in one response. */
export const MOST_EVENTS = 1000;

/** The question for the events of a time range. */
const eventQuery = ({ start, end }, more = {}) => ({
  since: Math.floor(start),
  until: Math.ceil(end),
  limit: PAGE,
  ...more,
});

const AT_ONCE = ["action", "changed", "restart"]; // kinds that come in bursts and do not last
const LONGEST_BURST = 900; // seconds
let burst = { id: "", events: [] }; // the rest of the last burst that did not fit a page

/** The older events of a burst that goes beyond its page: a row counts all of its nodes. */
async function restOfBurst({ events, next }, query, signal) {
  if (!isNumber(next)) return [];
  const { time } = events[events.length - 1];
  const last = events.filter((one) => one.time - time <= TOGETHER);
  const isBurst = (kind) => last.filter((one) => one.kind === kind).length >= ALIKE;
  const kind = AT_ONCE.filter(isBurst).join();
  const id = JSON.stringify([kind, next, query.node]);
  if (!kind || burst.id === id) return kind ? burst.events : [];
  const older = { ...query, kind, since: Math.floor(time - LONGEST_BURST), limit: MOST_EVENTS };
  const found = [];
  let end = time;
  for (let before = next; isNumber(before);) {
    const page = await getEvents({ ...older, before }, signal);
    const pause = page.events.findIndex((one, i) => {
      const later = i ? page.events[i - 1].time : end;
      return later - one.time > TOGETHER;
    });
    found.push(...(pause < 0 ? page.events : page.events.slice(0, pause)));
    end = found.length ? found[found.length - 1].time : end;
    before = pause < 0 ? page.next : null;
  }
  burst = { id, events: found };
  return found;
}

/** What may last since long before the events that fill a page. */
const STATES = ["node_down", "node_degraded"];

/**
 * A page of the events of a time range, newest first: {events, next, edge}. Where it does not hold
 * all of them, the other kinds than those that fill it are there from the whole range, as is what
 * still lasts: a burst of one kind hides no outage. `edge` is the time before which only those are
 * there; null when nothing is left out.
 */
export async function loadPage(range, signal, more = {}) {
  const query = eventQuery(range, more);
  const page = await getEvents(query, signal);
  page.events = joined(page.events, await restOfBurst(page, query, signal));
  noteChanges(page.events);
  // What can be undone now is decided by what happened since, too.
  if (!timeRange().live && page.events.some(({ kind }) => kind === "changed")) {
    const since = { kind: "changed", since: query.until, limit: MOST_EVENTS };
    noteChanges((await getEvents(since, signal)).events);
  }
  const most = query.limit / 4;
  const count = (kind) => page.events.filter((event) => event.kind === kind).length;
  const rare = Object.keys(EVENT_KINDS).filter((kind) => count(kind) < most);
  if (!isNumber(page.next) || query.kind || query.before || !rare.length) return page;
  let others = [];
  const questions = [{ ...query, kind: rare.join() }];
  // Of what fills the page, those that last longer than the page goes back.
  const filling = STATES.filter((kind) => !rare.includes(kind)).join();
  if (filling) questions.push({ ...query, kind: filling, since: query.until });
  const edge = page.events[page.events.length - 1].time;
  for (const question of questions)
    others = joined(others, (await getEvents(question, signal)).events);
  return { events: joined(page.events, others), next: page.next, edge };
}

/** The nodes that were added after a time and, as far as events say, were not there before it. */
export async function addedSince(time, signal) {
  const query = { kind: "nodes", since: Math.ceil(time), limit: MOST_EVENTS };
  const isNew = new Map(); // name -> whether it was added first: the oldest event is the last one
  for (const { added = [], removed = [] } of (await getEvents(query, signal)).events) {
    for (const name of removed) isNew.set(name, false);
    for (const name of added) isNew.set(name, true);
  }
  return new Set([...isNew.keys()].filter((name) => isNew.get(name)));
}

/** Both lists of events, each event once, newest first. */
export function joined(events, others) {
  const have = new Set(events.map((event) => event.id));
  const more = others.filter((event) => !have.has(event.id));
  return [...events, ...more].sort((a, b) => b.time - a.time || b.id - a.id);
}

/** The events of a time range, newest first. */
export const loadEvents = async (range, signal, more) =>
  (await loadPage(range, signal, more)).events;
