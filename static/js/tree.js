// A JSON value as a tree of branches that fold.

import { h } from "./dom.js";
import { plain, plural } from "./format.js";
import { quoted } from "./panels/util.js";

const FLAT = 12; // items of a list that stands on one line
const OPEN_DEPTH = 3; // branches that are open at first
const MOST_ENTRIES = 1000; // of a branch; a search finds the others

const isBranch = (value) => value !== null && typeof value === "object";

/** Whether a value, its name or anything below it has the word in it. */
function matches(value, name, word) {
  if (!word || String(name).toLowerCase().includes(word)) return true;
  if (!isBranch(value)) return String(value).toLowerCase().includes(word);
  return Object.entries(value).some(([key, item]) => matches(item, key, word));
}

/** What an entry is called: items of a list have their places in brackets. */
const nameIn = (value, key) => (Array.isArray(value) ? `[${key}]` : key);

function leaf(name, text, kind = "") {
  const key = name !== "" ? h("span", { class: "key" }, name) : null;
  return h("div", { class: "leaf" }, key, h("span", { class: `value ${kind}`.trim() }, text));
}

/** A JSON value as a tree; only opened branches are built. `needle` opens what matches. */
export function tree(value, name = "", needle = "", depth = 0) {
  const word = needle.toLowerCase();
  if (!isBranch(value)) return leaf(name, scalar(value), value === null ? "null" : typeof value);
  const flat = Array.isArray(value) && value.length <= FLAT && !value.some(isBranch);
  if (flat && value.length) return leaf(name, `[${value.map(scalar).join(", ")}]`);
  const entries = Object.entries(value);
  if (name !== "" && !entries.length) return leaf(name, "empty", "none");
  const whole = word && String(name).toLowerCase().includes(word);
  const children = () => {
    const found = entries.filter(([key, item]) => whole || matches(item, key, word));
    const shown = found.slice(0, MOST_ENTRIES);
    const more = found.length - shown.length;
    const note = `and ${plain(more)} more: search for them, or see the raw response`;
    return [
      shown.map(([key, item]) => tree(item, nameIn(value, key), whole ? "" : needle, depth + 1)),
      more > 0 ? h("p", { class: "muted" }, note) : null,
    ];
  };
  if (name !== "") return branch(value, name, children, depth < OPEN_DEPTH || Boolean(word));
  const none = entries.length ? "Nothing matches." : "Empty.";
  const isThere = entries.some(([key, item]) => matches(item, key, word));
  return h("div", { class: "tree" }, isThere ? children() : h("p", { class: "muted" }, none));
}

function branch(value, name, children, open) {
  const size = Object.keys(value).length;
  const note = ` ${plural(size, "entry", "entries")}`;
  const summary = [h("span", { class: "key" }, name), h("span", { class: "muted" }, note)];
  const box = h("details", { open }, h("summary", {}, summary));
  let built = false;
  const build = () => {
    if (!box.open || built) return;
    built = true;
    box.append(h("div", { class: "branch" }, children()));
  };
  box.addEventListener("toggle", build);
  build();
  return box;
}

function scalar(value) {
  if (value === null) return "null";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number")
    return Number.isInteger(value)
      ? String(value)
      : plain(value) === "0" && value !== 0
        ? value.toExponential(3)
        : String(value);
  return String(value);
}
