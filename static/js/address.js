// The one time range of the page: in the address, so that a link shows the same; charts and lists
// follow it.

import { startOf } from "./chartmath.js";
import { recall, remember } from "./server.js";

export const VIEWS = ["cluster", "events", "node", "compare", "many", "nodes"];

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch (error) {
    return word;
  }
}

/** The view after #: {view, key, panel, query}. */
export function parseRoute(hash = location.hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, key, panel] = path.split("/").map(decoded);
  const query = new URLSearchParams(search);
  if (view === "node" && key) return { view, key, panel: panel || "overview", query };
  const isView = VIEWS.includes(view) && view !== "node";
  return { view: isView ? view : "cluster", query, unknown: isView ? "" : view };
}

const DEFAULT = "1h";
const SIZES = { s: 1, m: 60, h: 3600, d: 86400 }; // seconds
export const LEAST_ZOOM = 10; // seconds
const DIGITS = 4; // significant ones of a figure of the past: no view shows more
const LATE = 60; // seconds that a range may end after now: clocks differ

/** The spans that are offered: [name in the address, label, seconds]. */
export const SPANS = [
  ["15m", "15 min", 900],
  ["1h", "1 h", 3600],
  ["6h", "6 h", 21600],
  ["24h", "24 h", 86400],
  ["7d", "7 d", 604800],
];

/** "90m" in seconds; null when it is none. */
export function spanSeconds(text) {
  const match = /^(\d{1,6})([smhd])$/.exec(text || "");
  return match && Number(match[1]) > 0 ? Number(match[1]) * SIZES[match[2]] : null;
}

/** Seconds as the address has them: "1h", "90m". */
export function spanName(seconds) {
  const [unit, size] = Object.entries(SIZES)
    .reverse()
    .find(([, one]) => seconds % one === 0);
  return `${seconds / size}${unit}`;
}

/** The range that an address asks for: {seconds} when live, {from, to} when fixed. */
export function parseRange(search, fallback = DEFAULT) {
  const query = new URLSearchParams(search);
  const [from, to] = [Number(query.get("from")), Number(query.get("to"))];
  if (from > 0 && to > from) return { from, to, seconds: to - from, live: false };
  const seconds = spanSeconds(query.get("last")) || spanSeconds(fallback) || SIZES.h;
  return { from: null, to: null, seconds, live: true };
}

/** What is wrong with the range of an address, "" when nothing is; `now` is the server's time. */
export function rangeFault(search, now) {
  const query = new URLSearchParams(search);
  const { live, from } = parseRange(search);
  const isFixed = query.has("from") || query.has("to");
  if (isFixed ? live : query.has("last") && !spanSeconds(query.get("last"))) return "not valid";
  return live || from < now ? "" : "in the future";
}

const listeners = new Set();
let current = parseRange(location.search, recall("last", DEFAULT));

/** {seconds, live, from, to}: from and to only when it is fixed. */
export const timeRange = () => current;

/** Where it begins and ends now, in Unix seconds; `now` is the server's time. */
export function bounds(now) {
  return current.live
    ? { start: now - current.seconds, end: now }
    : { start: current.from, end: current.to };
}

const LEAST_BEYOND = 120; // seconds
const MOST_STEPS = 400; // in a range; a longer one has longer steps

/**
 * The range as the query of /api/history. A fixed one includes the values just outside it, so that
 * lines reach its edges.
 */
export function historyQuery() {
  if (current.live) return `digits=${DIGITS}&seconds=${Math.ceil(current.seconds)}`;
  const beyond = Math.max(LEAST_BEYOND, (current.to - current.from) / MOST_STEPS);
  const start = Math.max(0, Math.floor(current.from - beyond));
  return `digits=${DIGITS}&start=${start}&end=${Math.ceil(current.to + beyond)}`;
}

/** Where charts begin and end: with the page's range, also where there are no values yet. */
export const axisSpan = (end) =>
  current.live ? { start: end - current.seconds, end } : { start: current.from, end: current.to };

/** Where these series begin and end in the page's range: sparklines have no axis and show all. */
export const chartSpan = (series, end) =>
  current.live
    ? { start: startOf(series, end, current.seconds), end }
    : { start: current.from, end: current.to };

/** Call `listener()` whenever the range changes. */
export function onRange(listener, signal) {
  listeners.add(listener);
  if (signal) signal.addEventListener("abort", () => listeners.delete(listener));
}

function changed(query, hash = location.hash || "#/") {
  place = here();
  const state = hash === place.hash ? history.state : null;
  history.pushState(state, "", `${location.pathname}?${query}${hash}`);
  arrive();
}

const here = () => ({ search: location.search, hash: location.hash || "#/" });
let place = here(); // what was followed last

/** Follow an address that was pushed or gone back to. */
function arrive() {
  const { search, hash } = here();
  // Browsers tell of another view unless the range is another, too.
  const isSilent = search !== place.search && hash !== place.hash;
  place = { search, hash };
  follow();
  if (isSilent) dispatchEvent(new Event("hashchange"));
}

/** An address without its range when that is wrong, which is returned; none ends after `now`. */
export function mendRange(now) {
  const fault = rangeFault(location.search, now);
  const isLate = !fault && !current.live && current.to > now + LATE;
  if (!fault && !isLate) return "";
  const query = isLate ? `?from=${current.from}&to=${Math.floor(now)}` : "";
  history.replaceState(history.state, "", location.pathname + query + location.hash);
  place = here();
  follow();
  return fault;
}

function follow() {
  const next = parseRange(location.search, recall("last", DEFAULT));
  if (JSON.stringify(next) === JSON.stringify(current)) return;
  current = next;
  for (const listener of [...listeners]) listener();
}

/** Show the last seconds up to now, and go on with the time. */
export function setLast(seconds) {
  remember("last", spanName(seconds));
  changed(`last=${spanName(seconds)}`);
}

/**
 * Show what is between two times, in Unix seconds, here or in the view of `hash`; the back button
 * undoes it.
 */
export function setFixed(from, to, hash) {
  const end = Math.max(to, from + LEAST_ZOOM);
  changed(`from=${Math.round(from)}&to=${Math.round(end)}`, hash);
}

/**
 * The link that shows another person the same picture: a live range stays as long as it is, fixed
 * in time.
 */
export function fixedLink(now) {
  const { start, end } = bounds(now);
  const query = `from=${Math.round(start)}&to=${Math.round(end)}`;
  return `${location.origin}${location.pathname}?${query}${location.hash || "#/"}`;
}

addEventListener("popstate", arrive);
