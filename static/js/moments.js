// Times as they stand in a message: "04:12", "12:00-12:10", "2026-09-03 04:12 to 05:00".

import { LEAST_ZOOM } from "./address.js";

const AROUND = 900; // seconds shown before and after one time
const DAY = 86400; // seconds
const MOMENT = "(?:(\\d{4}-\\d\\d-\\d\\d)[t ]+)?(\\d\\d?:\\d\\d(?::\\d\\d)?)";
const SPAN = new RegExp(`^(?:(?:at|from|around) )?${MOMENT}(?: ?(?:-|–|to|until| ) ?${MOMENT})?$`);

/** The day of a Unix time in the viewer's zone: "2026-09-03". */
function dayOf(time) {
  const date = new Date(time * 1000);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The Unix seconds of a time of day in the viewer's zone; NaN when there is no such time. */
const timeOf = (date, clock) => Date.parse(`${date}T${clock.replace(/^\d:/, "0$&")}`) / 1000;

/**
 * The time range that a text means: {from, to}, in Unix seconds; null when it means none. One time
 * is shown with what was before and after it. Without a date it is the last one before `now`.
 */
export function spanOf(text, now) {
  const found = SPAN.exec(text.trim().toLowerCase().replace(/\s+/g, " "));
  if (!found) return null;
  const [, date, clock, lastDate, lastClock] = found;
  let first = timeOf(date || dayOf(now), clock);
  if (!date && first > now) first = timeOf(dayOf(now - DAY), clock);
  let last = lastClock ? timeOf(lastDate || dayOf(first), lastClock) : first + AROUND;
  if (lastClock && !lastDate && last <= first) last = timeOf(dayOf(first + DAY), lastClock);
  const from = lastClock ? first : first - AROUND;
  const to = Math.min(last, now);
  return to >= from + LEAST_ZOOM ? { from, to } : null;
}
