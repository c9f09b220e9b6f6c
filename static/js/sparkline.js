// Sparklines on SVG, and the path of a line.

import { svg } from "./dom.js";

/** Path data with a gap wherever a value is missing. */
export function linePath(times, values, x, y, gap) {
  let path = "";
  let pen = false;
  let last = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    if (value === null || value === undefined || !Number.isFinite(value)) { pen = false; continue; }
    if (pen && gap && times[i] - last > gap) pen = false;
    const next = i + 1 < values.length ? values[i + 1] : null;
    const alone = !pen && (next === null || next === undefined);
    path += `${pen ? "L" : "M"}${Math.round(x(times[i]) * 10) / 10} ${Math.round(y(value) * 10) / 10}`;
    if (alone) path += "h0.01"; // a point between two gaps is still seen
    pen = true;
    last = times[i];
  }
  return path;
}

/** A small line without axes; decoration for the eye, the value stands beside it. */
export function sparkline(values, width = 88, height = 20) {
  const known = (values || []).filter((value) => value !== null && Number.isFinite(value));
  const high = Math.max(...known, 0);
  const low = Math.min(...known, high);
  const span = high - low || Math.abs(high) || 1;
  const count = Math.max(2, (values || []).length);
  const path = known.length ? linePath(values.map((_, i) => i), values, (i) => 1 + (i / (count - 1)) * (width - 2),
    (value) => height - 2 - ((value - low) / span) * (height - 4), 0) : "";
  return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true", preserveAspectRatio: "none" },
    path ? svg("path", { d: path }) : null);
}
