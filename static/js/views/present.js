// Said in the head of a page that shows the present whatever the time range of the charts is.

import { onRange, timeRange } from "../address.js";
import { h } from "../dom.js";

/** A note that is there while a fixed time range is chosen: it says what is of the present. */
export function presentNote(signal, what = "Current state") {
  const note = h("span", { class: "is-now" }, what);
  const draw = () => {
    note.hidden = timeRange().live;
  };
  draw();
  onRange(draw, signal);
  return note;
}
