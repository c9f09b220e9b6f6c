// What is wrong with a node and what happened to it lately: two cards, and the marks of its charts.

import { bounds, timeRange } from "../address.js";
import { nodeLink } from "../controls.js";
import { h } from "../dom.js";
import { store } from "../server.js";
import { AlertCard, allAlerts, EventCard, eventRange, groupsOf } from "../views/alerts.js";
import { asOf, eventRows, loadEvents, marksOf, toldAt } from "../views/eventlist.js";

const RELOAD = 5; // seconds
const SHOWS_INSTANCE = ["engine", "scheduler"]; // their figures are those of the whole instance
const MOST_NAMES = 64; // in one question
const MOST_ROWS = 5;
const LOADING = "Loading …";

/** Whose events a node's charts show: its own, of an engine those of its instance, too. */
export function keysFor(node) {
  const instance = SHOWS_INSTANCE.includes(node.kind) ? node.instance_id : null;
  const others = store.status.nodes.filter(
    (one) =>
      one.key !== node.key && (instance ? one.instance_id === instance : one.proxy === node.key),
  );
  return [node.key, ...others.map((one) => one.key)].slice(0, MOST_NAMES);
}

/** The alerts of a node, and those of its instance as a whole; of a frontend those of its nodes. */
export function alertsFor(node, status) {
  const keys = new Set(SHOWS_INSTANCE.includes(node.kind) ? keysFor(node) : [node.key]);
  const isInstance = (alert) =>
    !alert.node && node.instance_id && alert.instance === node.instance_id;
  const isBehind = (key) => (store.byKey.get(key) || {}).proxy === node.key;
  const isReported = (alert) =>
    node.kind === "frontend" && (alert.source === node.key || isBehind(alert.node));
  return allAlerts(status).filter(
    (alert) => keys.has(alert.node) || isInstance(alert) || isReported(alert),
  );
}

/** Whether the text of an alert names a node: "…; TTFT p50 of NAME rose: …". */
const names = ({ text }, key) =>
  [" ", ":", ";", ","].some((end) => ` ${text} `.includes(` ${key}${end}`));

export class NodeEvents {
  /** `changed()` is called when other events are there. */
  constructor(ctx, changed) {
    this.ctx = ctx;
    this.changed = changed;
    this.events = [];
    this.rows = [];
    this.missing = LOADING; // why events are not known
    this.asked = 0;
    this.range = null;
    this.grouped = null; // {status, groups}
    const { key, kind } = ctx.node();
    const isOther = (alert) =>
      alert.node && alert.node !== key && kind !== "frontend" && !names(alert, key);
    this.alerts = new AlertCard({ isOther });
    this.card = new EventCard(nodeLink(ctx.node(), "events"), MOST_ROWS);
    this.card.follow(this.alerts);
    this.element = h(
      "div",
      { class: "split", hidden: true },
      this.alerts.element,
      this.card.element,
    );
  }

  /** The marks of the charts: shaded is when this node was down, others have a thin line. */
  get marks() {
    const { key } = this.ctx.node();
    return marksOf(this.events).map((mark) =>
      mark.kind === "down" && mark.node !== key ? { ...mark, kind: "other" } : mark,
    );
  }

  draw(node, status) {
    const { live } = timeRange();
    const { start, end } = bounds(status.time);
    const inside = ({ time, until }) => time <= end && (until ?? end) >= start;
    const mine = alertsFor(node, status);
    const rows = this.rows.filter(inside);
    const past = live ? null : this.events.filter((one) => one.kind === "alert" && inside(one));
    const silences = status.silences?.filter(({ alert }) => alert.endsWith(`:${node.key}`));
    const counts = { [node.state]: 1 };
    const about = { ...status, counts, alerts: mine, silences, silences_total: 0 };
    const groups = past ? undefined : this.#groups(status);
    this.alerts.update(about, past, this.events, this.rows, groups);
    const none = !(past || [...mine, ...(silences || [])]).length;
    this.alerts.element.hidden = none; // the state of the node is said above
    const isUnknown = this.missing !== "" && this.missing !== LOADING;
    this.element.hidden = none && !rows.length && !isUnknown;
    this.element.classList.toggle("stacked", !this.alerts.lines.length);
    this.card.update(rows, toldAt(status), this.missing);
  }

  /** All alerts of a status in their groups, once for each status. */
  #groups(status) {
    if (this.grouped?.status !== status)
      this.grouped = { status, groups: groupsOf(allAlerts(status)) };
    return this.grouped.groups;
  }

  async update(node, status) {
    this.draw(node, status);
    const range = timeRange();
    const due = range !== this.range || (range.live && status.time - this.asked >= RELOAD);
    if (!due) return;
    this.range = range;
    this.asked = status.time;
    try {
      const more = { node: keysFor(node).join(",") };
      const alerts = alertsFor(node, status);
      const wanted = eventRange({ ...status, alerts });
      const events = await loadEvents(wanted, this.ctx.signal, more);
      if (range !== timeRange()) return;
      this.events = range.live ? events : asOf(events, range.to);
      this.rows = eventRows(this.events);
      this.missing = "";
    } catch (error) {
      if (error.name === "AbortError") return;
      this.range = null; // the next status asks again
      this.missing = `Not loaded: ${error.message}.`;
    }
    this.draw(this.ctx.node(), store.status);
    this.changed();
  }
}
