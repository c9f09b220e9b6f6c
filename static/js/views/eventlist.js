// What happened, in words: rows of events, and the marks that they leave on charts.

import { getEvents } from "../server.js";
import { linked } from "../controls.js";
import { h, icon } from "../dom.js";
import { duration, fullTime, plural, when } from "../format.js";
import { SEVERITIES } from "../words.js";

const TOGETHER = 60; // seconds within which a restart belongs to the down time before it
const ALIKE = 4; // so many events of one kind at one time become one row
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

const isOver = (event) => event.until !== null && event.until !== undefined;
const lasts = (event) => LASTING.includes(event.kind) && !isOver(event);
export const lastedSeconds = (event, now) => (isOver(event) ? event.until : now) - event.time;

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

/** What an event says without the name of its node. */
const template = (event) => (event.node ? event.text.split(event.node).join("…") : event.text);

/** What events that may become one row have in common; the rule and the instance of alerts. */
function likeness(event) {
  const slot = Math.round(event.time / TOGETHER);
  if (event.kind === "alert" && event.rule && event.instance)
    return `alert ${event.rule} ${event.instance} ${slot} ${isOver(event)}`;
  return event.node ? `${event.kind} ${slot} ${template(event)}` : `${event.id}`;
}

/** Events that say the same of many nodes at one time, as one row. */
function together(events) {
  const groups = new Map();
  for (const event of events) {
    const id = likeness(event);
    groups.set(id, [...(groups.get(id) || []), event]);
  }
  return [...groups.values()].flatMap((group) => {
    const least = group[0].kind === "alert" ? 2 : ALIKE;
    return group.length >= least ? [{ ...group[0], alike: group }] : group;
  });
}

/**
 * Events as rows, newest first: a down time and the restart that ended it are one row
 * ({restarted}), and what happened to many nodes at once is one ({alike: events}). The end of a
 * lasting event is part of its row.
 */
export function eventRows(events) {
  const restarts = restartsAfterDown(events);
  const hidden = new Set(restarts.values());
  const recovered = events.filter((event) => event.kind === "node_down" && isOver(event));
  const isEnd = (event) =>
    event.kind === "node_up" &&
    recovered.some((one) => one.node === event.node && Math.abs(one.until - event.time) < 2);
  const kept = events.filter((event) => !hidden.has(event) && !isEnd(event));
  return together(kept.map((event) => ({ ...event, restarted: restarts.has(event) })));
}

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
  if (resolved) return h("span", { class: "glyph up", title: "resolved" }, icon("check"));
  const { state } = SEVERITIES[event.severity] || SEVERITIES.info;
  const alert = { sign: { down: "■", degraded: "◆", unknown: "○" }[state], state };
  const look = event.kind === "alert" ? alert : GLYPHS[event.kind] || { sign: "·" };
  const kind = EVENT_KINDS[event.kind] || event.kind;
  const content = look.image ? icon(look.image) : look.sign;
  return h("span", { class: `glyph ${look.state || ""}`.trim(), title: kind }, content);
}

/** What an event says. */
export function eventText(event) {
  if (event.alike && event.kind === "alert") {
    const others = plural(event.alike.length - 1, "other node");
    return `${isOver(event) ? "Resolved: " : "Alert: "}${event.text} (and ${others})`;
  }
  if (event.alike) {
    const count = plural(event.alike.length, "node");
    const text = template(event);
    if (!text.startsWith("… ")) return `${count}: ${text}`;
    const said = text.slice(2).replace(/^is /, "are ").replace(/^has /, "have ");
    return `${count} ${said}`;
  }
  const text = event.restarted ? `${event.node} down, then restarted` : event.text;
  if (event.kind !== "alert") return text;
  return `${isOver(event) ? "Resolved: " : "Alert: "}${text}`;
}

/** How long it lasted, how often it happened, or who did it: [muted, bold]. */
export function eventNote(event, now) {
  const times = event.count > 1 ? `${event.count} times` : "";
  const merged = event.count > 1 && isOver(event) && event.seconds > 0;
  const long = duration(merged ? event.seconds : lastedSeconds(event, now));
  if (lasts(event)) return [event.kind === "alert" ? "active," : "ongoing,", long];
  if (event.kind === "alert") return ["lasted", long];
  if (LASTING.includes(event.kind) && isOver(event)) return [times, long];
  if (event.kind === "action" && event.by) {
    const by = { token: "by token", local: "from this host", everyone: "by anyone" }[event.by];
    return [[by || event.by, event.from].filter(Boolean).join(", "), ""];
  }
  return [times, ""];
}

/** One row of a list of events. */
export function eventItem(event, now) {
  const [muted, bold] = eventNote(event, now);
  return h(
    "li",
    { dataset: { kind: event.kind } },
    h("time", { title: fullTime(event.time) }, when(event.time, now)),
    glyph(event),
    h("span", { class: "event-text" }, linked(eventText(event))),
    h("span", { class: "for" }, muted, muted && bold ? " " : "", bold ? h("b", {}, bold) : null),
  );
}

const MARK_KINDS = {
  node_down: "down",
  restart: "restart",
  changed: "change",
  alert: "alert",
  action: "action",
};
const MOST_MARKS = 60;

/**
 * The marks of events on charts: [{time, until, kind, title}], oldest first; of one node when
 * given.
 */
export function marksOf(events, node = null) {
  return events
    .filter((event) => event.kind in MARK_KINDS && (!node || event.node === node || !event.node))
    .slice(0, MOST_MARKS)
    .map((event) => ({
      time: event.time,
      until: event.until,
      kind: MARK_KINDS[event.kind],
      // Down times that were merged into one event: it was not down all the time.
      partly: event.count > 1,
      title: eventText(event),
    }))
    .sort((a, b) => a.time - b.time);
}

const PAGE = 500;

/** The events of a time range, newest first. */
export async function loadEvents({ start, end }, signal, more = {}) {
  const query = { since: Math.floor(start), until: Math.ceil(end), limit: PAGE, ...more };
  return (await getEvents(query, signal)).events;
}
