// Short notes about results, in a corner, spoken by screen readers.

import { h, icon } from "./dom.js";

let area = null;

function place() {
  if (!area) {
    area = h("div", { class: "toasts" }, h("div", { role: "status", "aria-live": "polite" }), h("div", { role: "alert" }));
    document.body.append(area);
  }
  return area;
}

/** `kind`: "good", "bad" or "plain". Bad news stays until closed. */
export function toast(text, kind = "plain") {
  const close = h("button", { type: "button", class: "bare", "aria-label": "Close this note" }, icon("close"));
  const mark = { good: "● ", bad: "■ ", plain: "" }[kind];
  const note = h("div", { class: `toast ${kind}` }, h("p", {}, mark ? h("span", { class: "toast-mark", "aria-hidden": "true" }, mark) : null, text), close);
  close.addEventListener("click", () => note.remove());
  const list = place().children[kind === "bad" ? 1 : 0];
  list.append(note);
  while (list.children.length > 4) list.firstChild.remove();
  if (kind !== "bad") setTimeout(() => note.remove(), 6000);
  return note;
}
place();
