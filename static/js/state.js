// What the page knows: the last status, whether the server answers, who we are; and the poller that keeps it fresh.

import { getJson, sendJson } from "./api.js";

export const store = {
  status: null, // last /api/status
  byKey: new Map(), // its nodes by key
  received: 0, // when it arrived, Unix seconds on this machine's clock
  error: null, // why the last poll failed
  failures: 0,
  retryAt: 0,
  session: null, // /api/session
  paused: false,
  interval: Number(recall("interval", "5")), // seconds between polls
  selected: new Set(), // keys of nodes chosen for "many at once" and "compare"
};

const listeners = new Set();
let timer = 0;
let running = false;

/** Remember a small preference; without storage it is forgotten with the page. */
export function remember(name, value) {
  try { localStorage.setItem("lmcache." + name, value); } catch (error) { /* storage is off */ }
}
export function recall(name, fallback) {
  try { return localStorage.getItem("lmcache." + name) ?? fallback; } catch (error) { return fallback; }
}

/** Call `listener()` after every change; ends with the signal, or with the function returned. */
export function subscribe(listener, signal) {
  listeners.add(listener);
  const end = () => listeners.delete(listener);
  if (signal) signal.addEventListener("abort", end);
  return end;
}

export function notify() {
  for (const listener of [...listeners]) listener();
}

/** May this page change things? Unknown counts as no. */
export const trusted = () => Boolean(store.session && store.session.trusted);
export const whyNot = () => (store.session ? store.session.reason || "this needs the token" : "not connected yet");

export async function loadSession() {
  try {
    store.session = await getJson("api/session", { timeout: 10 });
  } catch (error) {
    if (error.status) store.session = { trusted: false, reason: error.message };
  }
  notify();
}

/** Ask for the status now, and again after the interval; after failures wait longer each time, 30 s at most. */
export async function poll() {
  clearTimeout(timer);
  if (running) return;
  running = true;
  try {
    const status = await getJson("api/status", { timeout: 20 });
    const back = store.error !== null;
    store.status = status;
    store.byKey = new Map(status.nodes.map((node) => [node.key, node]));
    store.received = Date.now() / 1000;
    store.error = null;
    store.failures = 0;
    if (back) loadSession();
  } catch (error) {
    store.error = error.message;
    store.failures += 1;
  } finally {
    running = false;
  }
  notify();
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (document.hidden || (store.paused && !store.error)) return; // nobody looks: asked again when shown
  const wait = store.error ? Math.min(30, 2 ** Math.min(store.failures - 1, 5)) : store.interval;
  store.retryAt = Date.now() / 1000 + wait;
  timer = setTimeout(poll, wait * 1000);
}

export function setPaused(paused) {
  store.paused = paused;
  if (paused) schedule();
  else poll();
  notify();
}

export function setRefresh(seconds) {
  store.interval = seconds;
  remember("interval", String(seconds));
  schedule();
  notify();
}

/** Have the server ask the nodes at once, then fetch what it learnt. */
export async function refreshNow(key) {
  try {
    await sendJson("POST", "api/refresh" + (key ? `?node=${encodeURIComponent(key)}` : ""), undefined, { timeout: 15 });
  } catch (error) { /* not trusted or an older server: its own poll will do */ }
  await poll();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!store.paused || store.error) poll();
});
addEventListener("online", () => poll());
