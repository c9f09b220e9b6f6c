// What forms say of their fields, for the eye and for screen readers: beside which one something is
// wrong, and that none can be used in a page that is read-only.

import { h } from "./dom.js";
import { store, subscribe, trusted } from "./server.js";

/**
 * Mark a field as wrong for what `note` says, or no longer; a mark for what another note says
 * stays.
 */
export function markWrong(box, note, isWrong) {
  if (isWrong) {
    box.setAttribute("aria-invalid", "true");
    box.setAttribute("aria-describedby", note.id);
  } else if (box.getAttribute("aria-describedby") === note.id) {
    box.removeAttribute("aria-invalid");
    box.removeAttribute("aria-describedby");
  }
}

/**
 * Fields of a change: in a page that is read-only they are disabled, and described by the note at
 * its top that says why (`lockNote`).
 */
export function changeFields(signal, ...fields) {
  const box = h("fieldset", { class: "contents" }, fields);
  let seen = false;
  const apply = () => {
    // Its form was drawn anew; a tab that is kept comes back.
    if (seen && !box.isConnected && !box.getRootNode().dataset?.kept) {
      end();
      return;
    }
    seen = seen || box.isConnected;
    box.disabled = Boolean(store.session) && !trusted();
    if (box.disabled) box.setAttribute("aria-describedby", "lock-note");
    else box.removeAttribute("aria-describedby");
  };
  const end = subscribe(apply, signal);
  apply();
  return box;
}
