// A JSON value as a tree of branches that fold.

import { h } from "./dom.js";
import { plain, plural } from "./format.js";

/** A JSON value as a tree; only opened branches are built. `needle` opens what matches. */
export function tree(value, name = "", needle = "", depth = 0) {
  const word = needle.toLowerCase();
  const matches = (item, label) =>
    !word ||
    String(label).toLowerCase().includes(word) ||
    (item !== null && typeof item === "object"
      ? Object.entries(item).some(([k, v]) => matches(v, k))
      : String(item).toLowerCase().includes(word));
  if (value === null || typeof value !== "object") {
    return h(
      "div",
      { class: "leaf" },
      name !== "" ? h("span", { class: "key" }, name) : null,
      h("span", { class: `value ${value === null ? "null" : typeof value}` }, scalar(value)),
    );
  }
  const entries = Object.entries(value);
  const flat =
    Array.isArray(value) &&
    value.length <= 12 &&
    value.every((item) => item === null || typeof item !== "object");
  if (flat)
    return h(
      "div",
      { class: "leaf" },
      h("span", { class: "key" }, name),
      h("span", { class: "value" }, `[${value.map(scalar).join(", ")}]`),
    );
  const whole = word && String(name).toLowerCase().includes(word);
  const children = () =>
    entries
      .filter(([k, v]) => whole || matches(v, k))
      .map(([k, v]) => tree(v, k, whole ? "" : needle, depth + 1));
  if (name === "")
    return h(
      "div",
      { class: "tree" },
      entries.length ? children() : h("p", { class: "muted" }, "Nothing matches."),
    );
  const box = h(
    "details",
    { open: depth < 3 || Boolean(word) },
    h(
      "summary",
      {},
      h("span", { class: "key" }, name),
      h(
        "span",
        { class: "muted" },
        Array.isArray(value)
          ? ` [${entries.length}]`
          : ` ${plural(entries.length, "entry", "entries")}`,
      ),
    ),
  );
  let built = false;
  const open = () => {
    if (box.open && !built) {
      built = true;
      box.append(h("div", { class: "branch" }, children()));
    }
  };
  box.addEventListener("toggle", open);
  open();
  return box;
}

function scalar(value) {
  if (value === null) return "null";
  if (value === "") return '""';
  if (typeof value === "number")
    return Number.isInteger(value)
      ? String(value)
      : plain(value) === "0" && value !== 0
        ? value.toExponential(3)
        : String(value);
  return String(value);
}
