// What happened, in full: the events of the page's time range, by kind and node.

import { bounds, onRange, timeRange } from "../address.js";
import { isNumber } from "../chartmath.js";
import { button, copy, online, searchBox } from "../controls.js";
import { h, replace, setText } from "../dom.js";
import { clock, fullTime, plural, spanText } from "../format.js";
import { store } from "../server.js";
import { offeredSpans } from "../shell.js";
import {
  asOf,
  EVENT_KINDS,
  eventItems,
  eventNote,
  eventRows,
  eventText,
  joined,
  loadPage,
  MOST_EVENTS,
  rowTime,
  toldAt,
} from "./eventlist.js";

const RELOAD = 5; // seconds

/** Events for an incident channel. */
export function eventsMarkdown(rows, title, now) {
  const lines = rows.map((row) => {
    const note = eventNote(row, now).filter(Boolean).join(" ");
    return `- ${fullTime(rowTime(row))} ${eventText(row)}${note ? ` (${note})` : ""}`;
  });
  return [`### ${title}`, "", ...lines].join("\n");
}

/** What a row is found by: its text and all that it is about, also what its text only counts. */
export function searchText(row) {
  const names = (row.alike || [row]).flatMap(({ node, instance, added = [], removed = [] }) => [
    node,
    instance,
    store.instances.get(instance),
    ...added,
    ...removed,
  ]);
  return [eventText(row), ...new Set(names)].filter(Boolean).join(" ").toLowerCase();
}

class EventsView {
  constructor(root, route, signal) {
    Object.assign(this, { root, signal, kind: "", node: "", words: [], events: [] });
    Object.assign(this, { next: null, edge: null });
    this.asked = 0;
    this.take(route.query);
    this.span = h("span", { class: "muted" });
    this.chips = h("span", { class: "chips", role: "group", "aria-label": "Filter by kind" });
    this.only = button("", () => this.#choose({ node: "" }), { kind: "little" });
    this.search = searchBox("Filter events", (text) => this.#find(text));
    this.list = h("ul", { class: "events long" });
    this.older = online(
      button("Show older events", () => this.#load(true), {}),
      signal,
    );
    this.older.hidden = true;
    this.note = h("p", { class: "panel-line", role: "status" });
    this.body = h(
      "section",
      { class: "card", "aria-label": "Events" },
      this.list,
      this.note,
      this.older,
    );
    this.copyAll = button("Copy as Markdown", () => this.#copy(), { kind: "bare", image: "copy" });
    this.copyAll.disabled = true; // until there are events
    this.#build();
    onRange(() => this.#load(), signal);
  }

  #build() {
    replace(
      this.root,
      h(
        "div",
        { class: "page-head" },
        h("h1", {}, "Events"),
        this.span,
        h("span", { class: "spring" }),
        this.copyAll,
      ),
      h("div", { class: "tools" }, this.search, this.chips, this.only),
      this.body,
    );
    this.#drawFilters();
  }

  take(query) {
    this.kind = query.get("kind") || "";
    this.node = query.get("node") || "";
  }

  #choose(change) {
    Object.assign(this, change);
    const query = new URLSearchParams();
    if (this.kind) query.set("kind", this.kind);
    if (this.node) query.set("node", this.node);
    const text = query.toString();
    history.replaceState(history.state, "", `${location.search}#/events${text ? `?${text}` : ""}`);
    this.#drawFilters();
    this.#load();
  }

  #drawFilters() {
    replace(
      this.chips,
      [["", "All"], ...Object.entries(EVENT_KINDS)].map(([kind, label]) => {
        const pressed = String(kind === this.kind);
        const choose = () => this.#choose({ kind });
        return h(
          "button",
          { type: "button", class: "chip", "aria-pressed": pressed, onclick: choose },
          label,
        );
      }),
    );
    this.only.hidden = !this.node;
    setText(this.only, `Only ${this.node}  ×`);
  }

  #find(text) {
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#draw();
    return this.rows.length;
  }

  get rows() {
    const has = (row) => {
      const said = searchText(row);
      return this.words.every((word) => said.includes(word));
    };
    const range = timeRange();
    const events = range.live ? this.events : asOf(this.events, range.to);
    return eventRows(events).filter(has);
  }

  #copy() {
    const { start, end } = bounds(store.status.time);
    const title = `LMCache events, ${spanText(start, end, 0)}`;
    copy(eventsMarkdown(this.rows, title, end), "Events copied as Markdown");
  }

  async #load(older = false) {
    if (!store.status) return;
    this.asked = store.status.time;
    const { start, end } = bounds(store.status.time);
    const { kind, node } = this;
    const more = { kind, node, limit: MOST_EVENTS, before: older ? this.next : "" };
    try {
      const page = await loadPage({ start, end }, this.signal, more);
      const had = this.events.length;
      this.events = older ? joined(this.events, page.events) : page.events;
      this.next = page.next;
      this.edge = page.edge ?? null;
      // A burst was loaded as a whole: what is older than it follows.
      if (older && this.events.length === had && isNumber(page.next)) await this.#load(true);
      this.#draw();
    } catch (error) {
      if (error.name !== "AbortError") setText(this.note, `Not loaded: ${error.message}.`);
    }
  }

  #draw() {
    const { start, end } = bounds(store.status.time);
    const { rows } = this;
    const now = toldAt(store.status);
    setText(this.span, `${spanText(start, end)} · ${plural(rows.length, "event")}`);
    replace(this.list, eventItems(rows, now));
    this.older.hidden = this.next === null || this.next === undefined;
    this.copyAll.disabled = !rows.length;
    setText(this.note, rows.length ? this.#leftOut(rows) : this.#nothing());
  }

  /** From when on not all events are in the list. */
  #leftOut(rows) {
    if (this.edge === null || rowTime(rows[rows.length - 1]) >= this.edge) return "";
    return `Before ${clock(this.edge)} only the rarer kinds of events are listed.`;
  }

  /** Why there are no rows, and what would show some. */
  #nothing() {
    if (store.error) return "Not loaded: the frontend does not respond.";
    if (!store.status.nodes.length) return "No events: the frontend has no nodes yet.";
    return `No events in this time range. ${this.#hint()}`.trim();
  }

  /** What would show some. */
  #hint() {
    const longest = Math.max(...offeredSpans().map(([, , seconds]) => seconds));
    const isLongest = timeRange().live && timeRange().seconds >= longest;
    if (this.kind || this.node || this.words.length)
      return isLongest ? "Clear the filters." : "Clear the filters, or choose a longer time range.";
    return isLongest ? "" : "Choose a longer time range.";
  }

  update(status) {
    if (status.time - this.asked >= RELOAD && timeRange().live) this.#load();
    else if (!this.asked) this.#load();
  }

  go({ query }) {
    this.take(query);
    this.#drawFilters();
    this.#load();
  }
}

export function mount(root, { route, signal }) {
  return new EventsView(root, route, signal);
}
