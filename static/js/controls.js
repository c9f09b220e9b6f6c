// Small parts that all pages share: states, names, buttons that need trust, fields, search boxes,
// notes about results.

import { breakable, h, icon, replace, setText, whole } from "./dom.js";
import { format, plain, plural } from "./format.js";
import { downloadFile, isFrontend, loadModule, store, subscribe, trusted } from "./server.js";
import { KINDS, metricLabel, metricUnit, STATE_SIGNS } from "./words.js";

/** A state as shape and word: never colour alone. `short` hides the word from the eye only. */
export function stateMark(state, short = false) {
  const known = STATE_SIGNS[state] ? state : "unknown";
  return h(
    "span",
    { class: `state ${known}` },
    h("span", { "aria-hidden": "true" }, STATE_SIGNS[known]),
    h("span", { class: short ? "visually-hidden" : "" }, short ? known : ` ${known}`),
  );
}

/** "■ 2 down" */
export function countMark(state, count) {
  const mark = stateMark(state);
  mark.lastChild.textContent = ` ${plain(count)} ${state}`;
  return mark;
}

export function setState(element, state) {
  const known = STATE_SIGNS[state] ? state : "unknown";
  if (element.dataset.state === known) return;
  element.dataset.state = known;
  replace(element, stateMark(known, element.dataset.short === "1"));
}

const TAIL = 8; // characters of a long name's end that always stay

/**
 * A name that shortens in the middle when its place is too narrow: both ends usually tell nodes
 * apart.
 */
export function fitted(text) {
  const name = String(text);
  if (name.length <= 1.5 * TAIL) return name;
  // The last part stays whole where it is short; the name of a socket may be longer.
  const slash = name.lastIndexOf("/");
  const socket = name[0] === "/" && name.length - slash <= 3 * TAIL ? slash : 0;
  const lasts = [socket, slash, name.search(/[_-][^_-]*$/), name.length - TAIL];
  const cut = lasts.find((at) => at > 0 && (at === socket || name.length - at <= 2 * TAIL));
  const shown = h("span", {
    class: "fitted",
    "aria-hidden": "true",
    dataset: { head: name.slice(0, cut), tail: name.slice(cut) },
  });
  shown.style.setProperty("--tail", name.length - cut);
  return h("span", {}, h("span", { class: "visually-hidden" }, name), shown);
}

/** What kind of server a node is, in words; "" while that is unknown. */
export const kindText = (node) => KINDS[node.kind] || "";

/** Why nothing is known of so many nodes. */
export function unknownText(count) {
  if (store.error) return `Not loaded: ${store.error}.`;
  return `${plural(count, "node")} ${count === 1 ? "has" : "have"} not been polled yet.`;
}

/** Why a page cannot do its work with these nodes: what is unknown of them, or what it `needs`. */
export function whyNone(nodes, needs) {
  const unknown = nodes.filter(({ state }) => state === "unknown").length;
  if (unknown || store.error) return unknownText(unknown);
  const isDown = nodes.length && nodes.every(({ state }) => state === "down");
  return isDown ? "No node is reachable." : needs;
}

/** What an empty place says: what it is, and what to do next. */
export function empty(text, ...actions) {
  return h(
    "div",
    { class: "empty" },
    h("p", {}, text),
    actions.length ? h("div", { class: "actions" }, actions) : null,
  );
}

/** The module of a dialog, asked for by the reader; null, and said, when it cannot be loaded. */
export async function opened(load) {
  try {
    return await loadModule(load);
  } catch (error) {
    // The files may be of another version than those that are loaded.
    const fault = `${error.message.replace(/\.$/, "")}. Reload the page.`;
    const why = error.isUnreachable ? "the frontend does not respond." : fault;
    toast(`Not opened: ${why}`, "bad");
    return null;
  }
}

/** Ways to nodes when the frontend is started: [what they do, options]. */
const STARTS = [
  ["A node by its address", "--node w0=10.0.0.5:7000"],
  ["A file with a list of nodes", "--config nodes.json"],
  ["All MP servers of a coordinator", "--coordinator-url http://10.0.0.5:9300"],
  ["All nodes of a discovery service", "--node-supplier-url http://10.0.0.5:9000"],
  ["All addresses of a DNS name", "--dns workers.example:7000"],
  ["Nodes that send heartbeats", "--discovery"],
  ["A simulated cluster", "--demo"],
];

function commandRow([what, options]) {
  const command = `python3 lmcache_frontend.py ${options}`;
  const act = () => copy(command, "Command copied");
  const name = `Copy ${command}`;
  const words = ["python3 ", "lmcache_frontend.py ", h("i", {}, options)];
  return h(
    "li",
    {},
    h("span", {}, what),
    h("code", {}, words),
    button("", act, { kind: "little bare", image: "copy", name }),
  );
}

/** What every view shows while the frontend has no nodes; the Nodes view has its own buttons. */
export function noNodes(hasButtons = false) {
  return h(
    "section",
    { class: "empty no-nodes", "aria-label": "No nodes yet" },
    h("h2", {}, "No nodes yet"),
    hasButtons
      ? null
      : h(
          "div",
          { class: "actions" },
          h("a", { class: "button primary", href: "#/nodes?add=1" }, "Add a node"),
        ),
    h("p", {}, `${hasButtons ? "Add one above, or" : "Or"} start the frontend with its nodes:`),
    h("ul", { class: "commands" }, STARTS.map(commandRow)),
    h(
      "p",
      {},
      "In-process LMCache starts its HTTP servers only with ",
      h("code", { class: "gap" }, "internal_api_server_enabled: true"),
      ".",
    ),
  );
}

export async function copy(text, what = "Copied") {
  try {
    await navigator.clipboard.writeText(text);
    toast(what, "good");
  } catch (error) {
    const area = h("textarea", { class: "visually-hidden", readonly: true }, text);
    document.body.append(area);
    area.select();
    // Pages on plain http from another host have no clipboard API.
    const done = document.execCommand("copy");
    area.remove();
    toast(
      done ? what : "Not copied: the browser denied access to the clipboard",
      done ? "good" : "bad",
    );
  }
}

/** A button; `name` tells it from others with the same label: "Set" is "Set chunk_size". */
export function button(
  label,
  onclick,
  { kind = "", image = "", name = "", title = name, disabled = false } = {},
) {
  const told = { title: title || null, "aria-label": name || null };
  return h(
    "button",
    { type: "button", class: kind, onclick, disabled, ...told },
    image ? icon(image) : null,
    label,
  );
}

/** Why nothing can be asked while the server is away; the banner says it, too. */
export const noConnection = () => `No connection: ${store.error}.`;

let unfocused = null; // the disabled control that has the focus when it is enabled again

/** Disable a control, or enable it, with the focus that it had unless that is elsewhere now. */
function setDisabled(control, disabled) {
  if (disabled && document.activeElement === control) unfocused = control;
  control.disabled = disabled;
  if (disabled || unfocused !== control) return;
  unfocused = null;
  if (document.activeElement === document.body) giveFocus(control);
}

/** Give a control the focus; one that is disabled gets it when it is enabled again. */
function giveFocus(control) {
  if (control.disabled) unfocused = control;
  else control.focus({ preventScroll: true });
}

/** Disable a control while its form is not ready for it, whatever else may be in the way. */
export function setOff(control, isOff) {
  control.dataset.off = isOff ? "1" : "";
  const { refused, busy } = control.dataset;
  setDisabled(control, isOff || refused === "1" || busy === "1");
}

/** A control that needs the server: disabled with the reason while that, or `reason()`, is so. */
export function online(control, signal, reason = () => "") {
  const title = control.title;
  let seen = false;
  let end = null;
  function apply() {
    // Its row or panel was drawn anew; a tab that is kept comes back.
    if (seen && !control.isConnected && !control.getRootNode().dataset?.kept && end) {
      end();
      return;
    }
    seen = seen || control.isConnected;
    const why = store.error ? noConnection() : reason();
    control.dataset.refused = why ? "1" : "";
    if (control.dataset.busy !== "1")
      setDisabled(control, Boolean(why) || control.dataset.off === "1");
    control.title = why || title;
  }
  apply();
  end = subscribe(apply, signal);
  // The next status may draw it anew before it is told of it.
  setTimeout(() => {
    seen = seen || control.isConnected;
  });
  return control;
}

export const LOCKED = "Read-only. To make changes, enter the access token.";

/** The same for one that needs trust, too, and a node (`node()`) that is not down. */
export const guarded = (control, signal, node = null) =>
  online(control, signal, () => {
    if (!trusted()) return LOCKED;
    const isDown = node && node() && node().state === "down";
    return isDown ? "The node is down and accepts no changes" : "";
  });

/** A line that stands where changes are made, while that needs the token: why, and the way in. */
export function lockNote(signal) {
  const unlock = () => dispatchEvent(new Event("lmcache-unlock"));
  const note = h(
    "p",
    { class: "note lock-note" },
    icon("lock"),
    h("span", { id: "lock-note" }, LOCKED),
    h("button", { type: "button", class: "small", onclick: unlock }, "Enable editing"),
  );
  const apply = () => {
    note.hidden = trusted() || !store.session;
  };
  apply();
  subscribe(apply, signal);
  return note;
}

/** Run something with the button disabled, and say how it ended; it keeps the focus if it can. */
export async function working(control, work) {
  control.dataset.busy = "1";
  setDisabled(control, true);
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message, "bad");
    return undefined;
  } finally {
    control.dataset.busy = "";
    setDisabled(control, control.dataset.refused === "1" || control.dataset.off === "1");
  }
}

export function field(label, input, hint = "") {
  return h(
    "label",
    { class: "field" },
    h("span", {}, label),
    input,
    hint ? h("small", { class: "muted" }, hint) : null,
  );
}

/** Terms and values: [[term, value], ...]; pairs without a value are left out. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}

/** Used of a limit as a bar with both figures. */
export function meter(used, limit, text) {
  const share = limit > 0 ? Math.min(1, Math.max(0, used / limit)) : 0;
  const fill = h("i");
  fill.style.width = `${share * 100}%`;
  return h(
    "div",
    {
      class: "meter",
      role: "meter",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": Math.round(share * 100),
      "aria-label": text,
    },
    fill,
  );
}

/** A search box that tells what it found. `onsearch(text)` returns how many there are. */
export function searchBox(label, onsearch, { value = "" } = {}) {
  const count = h("span", { class: "search-count muted", "aria-live": "polite" });
  const input = h("input", {
    type: "search",
    placeholder: label,
    "aria-label": label,
    value,
    spellcheck: "false",
    autocomplete: "off",
  });
  input.addEventListener("input", () => {
    const found = onsearch(input.value);
    if (typeof found === "number") sayMatches(box, found);
  });
  const box = h("span", { class: "search" }, icon("search"), input, count);
  return box;
}

/** Say in a search box how many match its text, also when another choice has changed that. */
export const sayMatches = (box, found) =>
  sayFound(box, box.children[1].value ? plural(found, "match", "matches") : "");

/** Say in a search box what it found. */
export function sayFound({ children: [, input, count] }, text) {
  setText(count, text);
  input.classList.toggle("counted", Boolean(text));
  input.style.setProperty("--count", text.length);
}

/** Save the debug bundle: with the token in a header, so not as a plain link. */
export async function downloadBundle() {
  toast("Collecting the debug bundle …");
  try {
    await downloadFile("api/bundle", "lmcache-bundle.zip");
  } catch (error) {
    toast(error.message, "bad");
  }
}

// ---- menus ----

const MENU_KEYS = { ArrowDown: 1, ArrowUp: -1 };

let closeMenu = null; // closes the menu that is open

/** What the items of a menu depend on: the server and trust. An open menu closes on a change. */
let offeredBy = "";
subscribe(() => {
  const now = [store.error !== null, trusted(), store.status && store.status.started].join();
  // Its opener, which takes the focus, is enabled first.
  if (now !== offeredBy && !store.error && closeMenu) queueMicrotask(closeMenu);
  offeredBy = now;
});

/**
 * A button that opens a menu. `items()` returns [{label, note, image, act, disabled, title}], null
 * for a line between two groups. Arrow keys move, Escape closes, and the focus goes back to the
 * button.
 */
export function menuButton(content, items, { kind = "", label = "" } = {}) {
  const list = h("ul", { class: "menu", role: "menu", hidden: true });
  const opener = h(
    "button",
    {
      type: "button",
      class: kind,
      "aria-haspopup": "menu",
      "aria-expanded": "false",
      "aria-label": label || null,
      title: label || null,
    },
    content,
  );
  const box = h("span", { class: "menu-box" }, opener, list);
  const set = (open) => {
    list.hidden = !open;
    opener.setAttribute("aria-expanded", String(open));
    closeMenu = open ? close : null;
    if (open) document.addEventListener("pointerdown", outside);
    else document.removeEventListener("pointerdown", outside);
  };
  const close = () => {
    const isFocused = list.contains(document.activeElement);
    set(false);
    if (isFocused) giveFocus(opener);
  };
  const outside = (event) => {
    if (!box.contains(event.target)) set(false);
  };
  const run = (item) => {
    set(false);
    giveFocus(opener);
    item.act();
  };
  opener.addEventListener("click", () => {
    if (!list.hidden) {
      set(false);
      return;
    }
    replace(
      list,
      items().map((item) => menuEntry(item, run)),
    );
    set(true);
    const first = list.querySelector("button:not(:disabled)");
    if (first) first.focus();
  });
  box.addEventListener("keydown", (event) => menuKey(event, list, opener, set));
  return box;
}

function menuEntry(item, run) {
  if (!item) return h("li", { class: "sep", role: "separator" });
  const { title, disabled } = item;
  const choose = () => run(item);
  return h(
    "li",
    { role: "none" },
    h(
      "button",
      { type: "button", role: "menuitem", onclick: choose, title, disabled },
      item.image ? icon(item.image) : null,
      h("span", {}, item.label),
      item.note ? h("span", { class: "muted" }, item.note) : null,
    ),
  );
}

function menuKey(event, list, opener, set) {
  if (list.hidden) return;
  const buttons = [...list.querySelectorAll("button:not(:disabled)")];
  const at = buttons.indexOf(document.activeElement);
  if (event.key === "Escape" || event.key === "Tab") {
    set(false);
    if (event.key === "Escape") {
      event.stopPropagation();
      giveFocus(opener);
    }
  } else if (event.key in MENU_KEYS) {
    event.preventDefault();
    const next = at + MENU_KEYS[event.key] + buttons.length;
    if (buttons.length) buttons[next % buttons.length].focus();
  } else if (event.key === "Home" || event.key === "End") {
    event.preventDefault();
    const to = event.key === "Home" ? 0 : buttons.length - 1;
    if (buttons[to]) buttons[to].focus();
  }
}

// ---- links to nodes ----

/** Where the nodes of an instance are listed, by its name. */
export const instanceLink = (name) => `#/?group=${encodeURIComponent(`i:${name}`)}`;

const UNBROKEN = 24; // characters of a name that fits into a line of a telephone

// "p50 2.6 s", "4 min 35 s", "2 times", "0.3 → 12 per minute", "9 ms → 1.2 s" stay together.
const KEPT_SPACES = [
  /(?<=\d) (?=(?:[mµ]?s|min|h|d|times|per (?:second|minute))\b)/g,
  /(?<=\bp\d\d) (?=\d)/g,
  /(?<=\d[ \u00a0](?:min|h|d)) (?=\d)/g,
  /(?<=(?:^|[ (])[^ ]{1,7}) (?=→ [^ ]{1,7}(?:[ \u00a0)]|$))/g,
  /(?<=\u00a0→) | (?=(?:second|minute)\b)/g,
  /(?<=\bon) (?=\d)| (?=· )/g,
];

/** A text whose figures stay on one line, and no line of which begins with a separator. */
export const kept = (text) =>
  KEPT_SPACES.reduce((text, space) => text.replace(space, "\u00a0"), String(text));

/** The words of a text, and what is between them: a name with spaces is a word. */
function wordsOf(text) {
  const isWhole = (name) => /[\s,;:()]/.test(name) && text.includes(name);
  const names = [...store.byKey.keys(), ...store.instances.values()].filter(isWhole);
  const escaped = names.map((name) => name.replace(/\W/g, "\\$&"));
  const any = escaped.sort().reverse().join("|") || "(?!)";
  return text.split(RegExp(`((?<![^\\s(])(?:${any})(?![^\\s,;:).])|[\\s,;:()]+)`));
}

const ERROR = /(?<=\b(?:down|unreachable): )/; // an error message follows, which names no node

/**
 * A text in which the names of nodes, frontends and instances are links, and what is too long for
 * a line of a telephone breaks at its separators.
 */
export function linked(text) {
  const instances = new Set(store.instances.values());
  const [said, error] = String(text).split(ERROR);
  const end = error === undefined ? Infinity : wordsOf(kept(said)).length - 1;
  return wordsOf(kept(text)).map((word, i) => {
    if (word.startsWith("(")) return [h("wbr"), word];
    const isShort = word.length <= UNBROKEN;
    const name = word.replace(/[.]$/, "");
    const node = name && i < end && (store.byKey.has(name) || isFrontend(name));
    const known = node || (name && i < end && instances.has(name));
    if (!known) return isShort ? word : breakable(word);
    const href = node ? nodeLink({ key: name }) : instanceLink(name);
    const props = { href, class: isShort ? "gap" : "whole" };
    const link = h("a", props, isShort ? name : breakable(name));
    return [link, word.slice(name.length)];
  });
}

export const nodeLink = (node, panel = "overview") =>
  `#/node/${encodeURIComponent(node.key)}/${panel}`;
export const nodeOf = (key) =>
  store.byKey.get(key) ||
  (store.status ? store.status.nodes.find((node) => node.name === key) : undefined);

// ---- short notes about results, in a corner, spoken by screen readers -----

const notes = h(
  "div",
  { class: "toasts" },
  h("div", { role: "status", "aria-live": "polite" }),
  h("div", { role: "alert" }),
);
document.body.append(notes);

const SECONDS = { good: 6, plain: 6, bad: 60 }; // until a note leaves by itself

/** `kind`: "good", "bad" or "plain". */
export function toast(text, kind = "plain") {
  const close = h(
    "button",
    { type: "button", class: "bare", "aria-label": "Dismiss" },
    icon("close"),
  );
  const mark = { good: "● ", bad: "■ ", plain: "" }[kind];
  const note = h(
    "div",
    { class: `toast ${kind}` },
    h(
      "p",
      {},
      mark ? h("span", { class: "toast-mark", "aria-hidden": "true" }, mark) : null,
      whole(text),
    ),
    close,
  );
  close.addEventListener("click", () => note.remove());
  const list = notes.children[kind === "bad" ? 1 : 0];
  list.append(note);
  while (list.children.length > 4) list.firstChild.remove();
  setTimeout(() => note.remove(), SECONDS[kind] * 1000);
  return note;
}

/** A note about the page, which is no result of an action: it leaves as another one is shown. */
export function pageToast(text) {
  const note = toast(text, "bad");
  addEventListener("hashchange", () => note.remove(), { once: true });
  return note;
}

const SHORT = {
  lookup_hit_rate: "hit rate",
  retrieve_p99: "p99",
  local_cache_bytes: "L1 memory",
  evictions_per_second: "eviction rate",
  failures_per_second: "failure rate",
};

/** How far a figure is from the median of its peers: "0.40×"; "" where the median is 0. */
export function timesText({ value, median }) {
  if (!(median > 0)) return "";
  const times = value / median;
  if (times < 1) return `${times.toFixed(2)}×`;
  return `${times < 10 ? times.toFixed(1) : plain(Math.round(times))}×`;
}

/** "p99 360 ms · 8.6×" */
export function outlierFigure(outlier) {
  const { figure, value } = outlier;
  const times = timesText(outlier);
  return `${SHORT[figure]} ${format(value, metricUnit(figure))}${times && ` · ${times}`}`;
}

/** "Retrieve p99 360 ms, 8.6× the median of its model (42.0 ms)" */
export function outlierText({ figure, value, median }, peers = "model") {
  const times = timesText({ value, median });
  const unit = metricUnit(figure);
  const middle = times
    ? `${times} the median of its ${peers} (${format(median, unit)})`
    : `median of its ${peers} ${format(median, unit)}`;
  return `${metricLabel(figure)} ${format(value, unit)}, ${middle}`;
}

/** What an instance or a rank is far from its peers in: "low hit rate". */
export function outlierTag(outlier, peers) {
  const text = h("span", { "aria-hidden": "true" });
  const spoken = h("span", { class: "visually-hidden" });
  const tag = h("span", { class: "tag" }, text, spoken);
  updateOutlierTag(tag, outlier, peers);
  return tag;
}

export function updateOutlierTag(tag, outlier, peers) {
  const full = `Outlier: ${outlierText(outlier, peers)}`;
  const { figure, value, median } = outlier;
  setText(tag.firstChild, `${value < median ? "low" : "high"} ${SHORT[figure]}`);
  setText(tag.lastChild, full);
  tag.title = full;
}
