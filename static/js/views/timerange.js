// The form in which a time range is typed: from when to when, in the viewer's zone.

import { bounds, LEAST_ZOOM, setFixed } from "../address.js";
import { field } from "../controls.js";
import { formDialog } from "../dialog.js";
import { h } from "../dom.js";
import { clock, day, duration, serverNow, zone } from "../format.js";
import { store } from "../server.js";

const LAST = "9999-12-31T23:59:59"; // a year has four digits: the next one is of the month

/** A whole second as the field has it: the local time, "2026-09-03T04:12:09". */
function fieldValue(time) {
  const date = new Date(time * 1000);
  const local = Date.UTC(
    date.getFullYear(),
    date.getMonth(),
    date.getDate(),
    date.getHours(),
    date.getMinutes(),
    date.getSeconds(),
  );
  return new Date(local).toISOString().slice(0, LAST.length);
}

/** A field for a time that is filled in with `time`. */
function timeField(name, time) {
  const value = fieldValue(time);
  return h("input", { type: "datetime-local", name, value, step: 1, max: LAST, required: true });
}

/**
 * The Unix seconds of a field, NaN without any. What was filled in is taken as it was: an hour
 * occurs twice when the clocks go back.
 */
const timeOf = (input, filled) =>
  input.value === fieldValue(filled) ? filled : Date.parse(input.value) / 1000;

/** "14:30:02", or "14:30:02 on 3 Sep" when that is another day than `now`. */
function second(time, now) {
  const date = day(time, now);
  return date === day(now, now) ? clock(time) : `${clock(time)} on ${date.replace(/ /g, "\u00a0")}`;
}

/**
 * What is wrong with a range from `from` to `to` where the history begins at `begin` and it is
 * `now`, all in Unix seconds: [{field, message}], empty when it can be shown.
 */
export function rangeProblems(from, to, begin, now) {
  const problems = [];
  const least = duration(LEAST_ZOOM);
  const refuse = (name, message) => problems.push({ field: name, message });
  if (Number.isNaN(from)) refuse("from", "Enter a date and a time.");
  else if (from < begin) refuse("from", `History begins at ${second(begin, now)}.`);
  else if (from > now) refuse("from", `This is in the future: it is ${second(now, now)} now.`);
  else if (from > now - LEAST_ZOOM) refuse("from", `Enter a time at least ${least} ago.`);
  if (Number.isNaN(to)) refuse("to", "Enter a date and a time.");
  else if (to <= from) refuse("to", "Enter a time after the start.");
  else if (to < from + LEAST_ZOOM) refuse("to", `Enter a time at least ${least} after the start.`);
  return problems;
}

/** Ask for a range and show it; resolves when it is shown, or when the form was closed. */
export function askRange() {
  const opened = Math.floor(serverNow());
  const begin = Math.ceil(store.status ? store.status.history_start : 0);
  const { start, end } = bounds(opened);
  const filled = { from: Math.max(Math.round(start), begin), to: Math.round(end) };
  const boxes = { from: timeField("from", filled.from), to: timeField("to", filled.to) };
  const since = begin && begin < opened ? ` History begins at ${second(begin, opened)}.` : "";
  return formDialog({
    title: "Custom time range",
    action: "Show",
    build: (body) =>
      body.append(
        h("p", { class: "muted" }, `Local time (${zone(opened)}).${since}`),
        h("div", { class: "row-fields" }, field("From", boxes.from), field("To", boxes.to)),
      ),
    submit: () => {
      const now = Math.floor(serverNow());
      const [from, to] = ["from", "to"].map((name) => timeOf(boxes[name], filled[name]));
      const problems = rangeProblems(from, to, begin, now);
      if (problems.length) throw { problems };
      setFixed(from, Math.min(to, now));
    },
  });
}
