// What forms say of their fields: beside which one something is wrong, for the eye and for screen
// readers.

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
