// The only module that talks to the server: requests, and what the page knows from them (the
// status that a poller keeps fresh, who we are). Small preferences are kept here too.

import { addressText, serverNow, setServerClock } from "./format.js";

const BASE = new URL(".", document.baseURI).href;
const TOKEN_KEY = "lmcache.token";
const NO_RESPONSE = "the frontend does not respond";
const FRESH = 1; // seconds for which a status tells that the server is there
let memoryToken = "";

/** The server said no (status > 0), or did not answer at all (status 0). */
export class ApiError extends Error {
  constructor(message, status, field = "", body = "") {
    super(message);
    this.status = status;
    this.field = field;
    this.body = body;
  }
}

/**
 * Take the token out of `#token=...`, so that it stays neither in the address bar nor in the
 * history.
 */
export function takeTokenFromAddress() {
  const match = /^#token=([^&]*)/.exec(location.hash);
  if (!match) return;
  let token = match[1];
  try {
    token = decodeURIComponent(token);
  } catch (error) {
    /* not encoded */
  }
  setToken(token);
  history.replaceState(null, "", location.pathname + location.search + "#/");
}

export function setToken(token) {
  memoryToken = token;
  try {
    if (token) sessionStorage.setItem(TOKEN_KEY, token);
    else sessionStorage.removeItem(TOKEN_KEY);
  } catch (error) {
    /* storage is off: the token lives as long as the page */
  }
}

export function getToken() {
  try {
    return sessionStorage.getItem(TOKEN_KEY) || memoryToken;
  } catch (error) {
    return memoryToken;
  }
}

/** JSON as Python writes it: bare NaN, Infinity and -Infinity outside strings are accepted. */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    const strict = text.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (found) =>
      found[0] === '"' ? found : `"\u0000${found}"`,
    );
    return JSON.parse(strict.replace(/\u0000/g, "\\u0000"), (key, value) =>
      typeof value === "string" && value[0] === "\u0000" ? Number(value.slice(1)) : value,
    );
  }
}

/** Why an answer is an error, in the server's own words. */
function reasonOf(status, text, statusText) {
  try {
    const data = parseJson(text);
    const detail = data && (data.detail ?? data.message ?? data.error);
    if (typeof detail === "string")
      return data.error && data.message ? `${data.error}: ${data.message}` : detail;
    if (Array.isArray(detail))
      return detail
        .map((item) => [(item.loc || []).slice(1).join("."), item.msg].filter(Boolean).join(": "))
        .join("; ");
  } catch (error) {
    /* plain text */
  }
  const line = text.trim().split("\n")[0];
  return line && !line.startsWith("<") ? line.slice(0, 400) : `${status} ${statusText}`.trim();
}

function fieldOf(text) {
  try {
    return String(parseJson(text).field || "");
  } catch (error) {
    return "";
  }
}

/**
 * One request, whatever the answer's status: {status, ok, text, headers, seconds}. Throws ApiError
 * with status 0 when there is no answer, and AbortError when aborted.
 */
export async function request(
  path,
  { method = "GET", body, headers = {}, signal, timeout = 65 } = {},
) {
  const all = { ...headers };
  const token = getToken();
  if (token) all.Authorization = `Bearer ${token}`;
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), timeout * 1000);
  const stop = () => limit.abort();
  if (signal) {
    if (signal.aborted) limit.abort();
    signal.addEventListener("abort", stop);
  }
  const [started, sent] = [performance.now(), Date.now() / 1000];
  try {
    const response = await fetch(BASE + path.replace(/^\//, ""), {
      method,
      body,
      headers: all,
      signal: limit.signal,
      cache: "no-cache",
      credentials: "same-origin",
      redirect: "follow",
    });
    // The time in a status is that of its last round; what a node returns has the node's date.
    const date = path.startsWith("api/") ? response.headers.get("date") : null;
    setServerClock(Date.parse(date) / 1000, sent, Date.now() / 1000);
    const text = await response.text();
    return {
      status: response.status,
      statusText: response.statusText,
      ok: response.ok,
      text,
      type: response.headers.get("content-type") || "",
      headers: [...response.headers],
      seconds: (performance.now() - started) / 1000,
    };
  } catch (error) {
    if (signal && signal.aborted) throw new DOMException("left the view", "AbortError");
    if (limit.signal.aborted) throw new ApiError(`no response within ${timeout} s`, 0);
    throw Object.assign(new ApiError(NO_RESPONSE, 0), { isUnreachable: true });
  } finally {
    clearTimeout(timer);
    if (signal) signal.removeEventListener("abort", stop);
  }
}

/** The text of a good answer; ApiError otherwise. */
export async function getText(path, options) {
  const answer = await request(path, options);
  if (!answer.ok)
    throw new ApiError(
      reasonOf(answer.status, answer.text, answer.statusText),
      answer.status,
      fieldOf(answer.text),
      answer.text,
    );
  return answer.text;
}

/** The JSON of a good answer; ApiError otherwise. */
export async function getJson(path, options) {
  const text = await getText(path, options);
  if (text === "") return null;
  try {
    return parseJson(text);
  } catch (error) {
    throw new ApiError("the response is not JSON", 200, "", text);
  }
}

/** Send an object as JSON. */
export function sendJson(method, path, object, options = {}) {
  return getJson(path, {
    ...options,
    method,
    body: object === undefined ? undefined : JSON.stringify(object),
    headers: object === undefined ? {} : { "Content-Type": "application/json" },
  });
}

/** Load a file and have the browser save it under that name. ApiError when there is none. */
export async function downloadFile(path, name, timeout = 120) {
  const token = getToken();
  const response = await fetch(BASE + path, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.timeout(timeout * 1000),
    credentials: "same-origin",
  });
  if (!response.ok) {
    const text = await response.text();
    throw new ApiError(reasonOf(response.status, text, response.statusText), response.status);
  }
  saveFile(await response.blob(), name);
}

/** Have the browser save a file that the page made or loaded. */
export function saveFile(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const PARALLEL = 4; // requests of one kind: a browser has six at a time, and the status needs one

/** Several requests, at most `parallel` at a time; `done(item, result, error)` as each finishes. */
export async function each(items, work, done, parallel = PARALLEL) {
  const queue = [...items];
  async function worker() {
    while (queue.length) {
      const item = queue.shift();
      try {
        done(item, await work(item), null);
      } catch (error) {
        if (error.name === "AbortError") return;
        done(item, null, error);
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, queue.length) }, worker));
}

/** The path of a node's own endpoint through the proxy. */
export const nodePath = (node, path) => node.path + (path.startsWith("/") ? path : "/" + path);

const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);

/**
 * The request as a curl command. The token is left as a variable: commands end up in chats and
 * histories.
 */
export function curl(path, { method = "GET", body, headers = {}, form } = {}) {
  const words = ["curl", "-sS"];
  if (method !== "GET") words.push("-X", method);
  if (getToken()) words.push("-H", '"Authorization: Bearer $LMCACHE_FRONTEND_TOKEN"');
  for (const [name, value] of Object.entries(headers)) words.push("-H", quote(`${name}: ${value}`));
  if (form) words.push("-F", quote(form));
  if (body) words.push("--data-binary", quote(body));
  words.push(quote(BASE + path.replace(/^\//, "")));
  return words.join(" ");
}

// ---- what the page knows, and the poller that keeps it fresh ------------

const LONGEST_WAIT = 10; // seconds between two tries while the server is unreachable
const LATE = 4; // seconds after which a status that has not come is late
const STATUS_LIMIT = 10; // seconds for a status; the frontend of a fleet may need two or three
const FIRST_LIMIT = 20; // seconds for the first one: a frontend that just started is slower

export const store = {
  status: null, // last /api/status
  byKey: new Map(), // its nodes by key
  instances: new Map(), // ids of its instances -> their names
  received: 0, // when it arrived, Unix seconds by the server's clock
  error: null, // why the last poll failed
  isLate: false, // the status that was asked for has not come yet
  failures: 0,
  retryAt: 0,
  session: null, // /api/session
  paused: false,
  interval: Number(recall("interval", "5")), // seconds between polls
  selected: new Set(), // keys of nodes chosen for "many at once" and "compare"
};

/** The other frontends whose nodes are shown, too. */
export const frontendsOf = (status) =>
  (status.proxies || []).filter(({ name }) => name !== "local_proxy");

/** Whether a name is that of another frontend, and of no node. */
export const isFrontend = (name) =>
  Boolean(store.status) &&
  !store.byKey.has(name) &&
  frontendsOf(store.status).some((one) => one.name === name);

// The figures that lists show; the page of a node and a comparison need more: see `need`.
const LISTED = "api/status?figures=listed";
const MOST_WAIT = 2000; // ms for what a view needs beside the last status

const listeners = new Set();
let timer = 0;
let asking = null; // what ends the request that is on its way
let running = null; // the promise of the request that is on its way
let wanted = LISTED; // the path of the status that the view needs
let held = ""; // the path of the last status

/** Remember a small preference; without storage it is forgotten with the page. */
export function remember(name, value) {
  try {
    localStorage.setItem("lmcache." + name, value);
  } catch (error) {
    /* storage is off */
  }
}
export function recall(name, fallback) {
  try {
    return localStorage.getItem("lmcache." + name) ?? fallback;
  } catch (error) {
    return fallback;
  }
}

/** The current time as the page shows it, Unix seconds; it stops while the server is away. */
export const shownNow = () => (store.error ? store.received : serverNow());

/** What is said of a part of the page that could not be loaded: "view", "panel". */
export const loadFailure = (part, error) =>
  error.isUnreachable
    ? `Not loaded: ${error.message}.`
    : `This ${part} could not be loaded: ${error.message}`;

/**
 * The module that `load()` imports; its error tells when the server did not deliver it, see
 * `loadFailure`. Whoever tries again waits for the next status, which then tells `store.received`.
 */
export async function loadModule(load) {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // Whether it is away is asked at once, but not again: the poller goes on at its own pace.
    if (!store.error && serverNow() - store.received > FRESH) poll();
    const unreachable = new Error(NO_RESPONSE);
    throw Object.assign(unreachable, { isUnreachable: true });
  }
}

/** Call `listener()` after every change; ends with the signal, or with the function returned. */
export function subscribe(listener, signal) {
  listeners.add(listener);
  const end = () => listeners.delete(listener);
  if (signal) signal.addEventListener("abort", end);
  return end;
}

/** Call `act()` once when the server responds again, or another process of it. */
export function whenBack(act, signal) {
  const { started } = store.status;
  let away = store.error !== null;
  const end = subscribe(() => {
    away ||= store.error !== null || store.status.started !== started;
    if (!away || store.error !== null) return;
    end();
    act();
  }, signal);
}

export function notify() {
  for (const listener of [...listeners]) listener();
}

/** May this page change things? Unknown counts as no. */
export const trusted = () => Boolean(store.session && store.session.trusted);

/** Ask whether this page may change things; `refused` tells that its token does not count. */
export async function loadSession() {
  const token = getToken();
  try {
    const session = await getJson("api/session", { timeout: 10 });
    store.session = { ...session, refused: Boolean(token) && !session.trusted };
  } catch (error) {
    if (error.status) store.session = { trusted: false, reason: error.message };
  }
  notify();
}

/** How many nodes are in each state, and in total: of the nodes that are listed and drawn. */
function countStates({ nodes, counts }) {
  const none = Object.keys(counts).map((state) => [state, 0]);
  const found = { ...Object.fromEntries(none), total: nodes.length };
  for (const { state } of nodes) found[state] = (found[state] || 0) + 1;
  return found;
}

/** The name of the instance of a node, "" without one. */
export const instanceName = (node) => store.instances.get(node.instance_id) || node.instance || "";

/**
 * Ask for the status now, and again after the interval; after failures wait longer each time, 10 s
 * at most.
 */
export async function poll() {
  clearTimeout(timer);
  if (running) return;
  asking = new AbortController();
  const late = setTimeout(sayLate, LATE * 1000);
  running = ask(store.status ? wanted : LISTED, asking.signal);
  await running;
  clearTimeout(late);
  running = null;
  store.isLate = false;
  notify();
  schedule();
}

function sayLate() {
  store.isLate = true;
  notify();
}

/** Put back what a list of nodes leaves out, because other members of it tell that. */
function completed(status, whole) {
  const members = new Map();
  status.nodes = status.nodes.map((node) => {
    const { key, host, port, instance_id: id } = node;
    members.set(id, [...(members.get(id) || []), key]);
    if (whole && key === whole.key) return whole;
    return { name: key, address: addressText(host, port), path: `/proxy2/${key}`, ...node };
  });
  for (const one of status.instances) one.nodes ??= members.get(one.id) || [];
  return status;
}

/** Take over a status of the server. */
async function ask(path, signal) {
  const timeout = store.status ? STATUS_LIMIT : FIRST_LIMIT;
  try {
    const { whole, ...answer } = await getJson(path, { timeout, signal });
    const status = completed(answer, whole);
    held = path;
    const again = store.status && store.status.started !== status.started;
    const back = store.error !== null || again; // another process may trust otherwise
    store.status = Object.assign(status, { counts: countStates(status) });
    store.byKey = new Map(status.nodes.map((node) => [node.key, node]));
    store.instances = new Map(status.instances.map((one) => [one.id, one.name]));
    store.received = serverNow();
    store.error = null;
    store.failures = 0;
    if (back) loadSession();
  } catch (error) {
    if (error.name === "AbortError") return;
    store.error = error.message;
    store.failures += 1;
  }
}

/**
 * Have the status hold all figures of a node, or more figures of all nodes; resolves when it does,
 * or when the server does not deliver it.
 */
export async function need({ node = "", figures = [] } = {}) {
  const more = figures.map((name) => `,${encodeURIComponent(name)}`).join("");
  wanted = LISTED + more + (node ? `&whole=${encodeURIComponent(node)}` : "");
  if (wanted === LISTED) return;
  const late = new Promise((resolve) => setTimeout(resolve, MOST_WAIT));
  const delivered = async () => {
    await running;
    if (held !== wanted && !store.error) await poll();
  };
  await Promise.race([delivered(), late]);
}

function schedule() {
  clearTimeout(timer);
  // Nobody looks: asked again when shown.
  if (document.hidden || (store.paused && !store.error)) return;
  const wait = store.error
    ? Math.min(LONGEST_WAIT, 2 ** Math.min(store.failures - 1, 5))
    : store.interval;
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

/**
 * What happened, newest first: {events, next}. `query` has since, until, node, kind, limit,
 * before. A server that keeps no events answers 404: there are none then.
 */
export async function getEvents(query, signal) {
  const words = Object.entries(query).filter(([, value]) => value || value === 0);
  try {
    return await getJson(`api/events?${new URLSearchParams(words)}`, { signal, timeout: 20 });
  } catch (error) {
    if (error.status === 404) return { events: [], next: null };
    throw error;
  }
}

/** Have the server ask the nodes at once, then fetch what it learnt. */
export async function refreshNow(key) {
  try {
    await sendJson(
      "POST",
      "api/refresh" + (key ? `?node=${encodeURIComponent(key)}` : ""),
      undefined,
      { timeout: 15 },
    );
  } catch (error) {
    /* not trusted or an older server: its own poll will do */
  }
  await poll();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(timer);
    // The time of a hidden page may stand still, and its limit be over before it sees the response.
    if (store.status && asking) asking.abort();
  } else if (!store.paused || store.error) poll();
});
addEventListener("online", () => poll());
