// Line charts on SVG.

import { clock, format, hour, fullTime, plural, zone } from "./format.js";
import { h, linePath, replace, svg } from "./ui.js";

const MARGIN = { top: 8, right: 12, bottom: 22 };
export const COLOURS = 8;
let serial = 0;

/** A round value on an axis: without the zeros that a reading would show. */
const tickLabel = (value, unit) =>
  format(value, unit).replace(/\.0+(?=\D|$)|(\.\d*[1-9])0+(?=\D|$)/, "$1");

let ruler = null;

/** How wide a label of an axis is, in px. */
function textWidth(text) {
  if (!ruler) {
    ruler = document.createElement("canvas").getContext("2d");
    ruler.font = `11px ${getComputedStyle(document.body).fontFamily}`; // as .tick in style.css
  }
  return ruler.measureText(text).width;
}

/** Round steps for an axis, 1, 2, 5 × 10^n, or powers of two for bytes: about `count` of them from at or below `low` to at or above `high`. */
function valueTicks(low, high, unit, count = 4) {
  const span = high - low || 1;
  let step;
  if (unit === "bytes" || unit === "bytes/s") {
    step = 2 ** Math.ceil(Math.log2(span / count));
  } else {
    const power = 10 ** Math.floor(Math.log10(span / count));
    step =
      [1, 2, 5, 10].map((factor) => factor * power).find((size) => span / size <= count + 0.5) ||
      10 * power;
  }
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

const TIME_STEPS = [
  1, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400,
];

function timeTicks(start, end, width) {
  const room = (size) => (size / (end - start)) * width; // px between two labels: enough for the label, and not more than a dozen labels
  const step =
    TIME_STEPS.find((size) => room(size) >= Math.max(size < 60 ? 80 : 64, width / 8)) || 86400;
  const shift = new Date(start * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  for (let time = Math.ceil((start - shift) / step) * step + shift; time <= end; time += step)
    ticks.push(time);
  return { ticks, label: step < 60 ? clock : hour };
}

/** The lowest and the highest value of each pixel when there are many more points than pixels; gaps stay. */
function thinned(times, values, start, end, pixels) {
  if (values.length <= pixels * 3) return [times, values];
  const at = [];
  let slot = null;
  let low = 0;
  let high = 0;
  const close = () => {
    if (slot !== null) at.push(...(low === high ? [low] : low < high ? [low, high] : [high, low]));
    slot = null;
  };
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    if (value === null || value === undefined) {
      close();
      at.push(i);
      continue;
    }
    const here = Math.floor(((times[i] - start) / (end - start || 1)) * pixels);
    if (here !== slot) {
      close();
      slot = here;
      low = high = i;
      continue;
    }
    if (value < values[low]) low = i;
    if (value >= values[high]) high = i;
  }
  close();
  return [at.map((i) => times[i]), at.map((i) => values[i])];
}

/** Index of the time that is nearest to `time`; the times rise. */
export function nearest(times, time) {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (times[mid] < time) low = mid + 1;
    else high = mid;
  }
  return low > 0 && time - times[low - 1] < times[low] - time ? low - 1 : low;
}

/** Where a chart begins: at the wanted time, or with the first value when there is less, but never less than two minutes. */
export function startOf(series, end, seconds) {
  const first = Math.min(...series.map((one) => (one.times.length ? one.times[0] : end)), end);
  return Math.min(Math.max(end - seconds, first), end - 120);
}

/** A crosshair that several charts share: each tells the others the time under the pointer. */
export function crosshair() {
  const charts = new Set();
  return {
    charts,
    show: (time, origin) => charts.forEach((chart) => chart !== origin && chart.point(time, true)),
  };
}

/**
 * A line chart. `update({series: [{name, times, values}], start, end, interval})` draws; times are Unix seconds.
 * Returns {element, update}. Options: label, unit, height, group (a crosshair), legend.
 */
export function lineChart({ label, unit, height = 160, group = null, legend = false }) {
  const plot = svg("svg", {
    class: "chart-svg",
    role: "img",
    tabindex: "0",
    "aria-label": label,
    height,
  });
  const tip = h("div", { class: "chart-tip", "aria-hidden": "true", hidden: true });
  const spoken = h("span", { class: "visually-hidden", "aria-live": "polite" });
  const box = h("div", { class: "chart-plot" }, plot, tip, spoken);
  const back = h(
    "button",
    {
      type: "button",
      class: "small chart-back",
      hidden: true,
      onclick: () => {
        zoom = null;
        draw();
      },
    },
    "Whole time",
  );
  const keys = h("ul", { class: "legend", "aria-hidden": "true" });
  const figures = h("details", { class: "chart-table" }, h("summary", {}, "Figures as a table"));
  const element = h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, h("span", {}, label), back),
    box,
    legend ? keys : null,
    figures,
  );
  const id = `clip${(serial += 1)}`;
  let data = { series: [], start: 0, end: 1 };
  let width = 0;
  let zoom = null;
  let scale = null;
  let indent = 48; // room for the value labels, px
  let cross = null;
  let drag = null;
  let aimed = null; // time under the pointer that is still to be shown
  let anchor = null; // where a span chosen by keyboard begins, Unix seconds
  let cursor = null;
  const self = { element, update, point };

  function range() {
    return zoom || [data.start, data.end];
  }

  function extremes(start, end) {
    let low = Infinity;
    let high = -Infinity;
    for (const { times, values } of data.series) {
      for (let i = 0; i < values.length; i += 1) {
        const value = values[i];
        if (
          value === null ||
          value === undefined ||
          !Number.isFinite(value) ||
          times[i] < start ||
          times[i] > end
        )
          continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    return [low, high];
  }

  function draw() {
    width = box.clientWidth || width;
    if (width < 40) return;
    const [start, end] = range();
    const [low, high] = extremes(start, end);
    back.hidden = !zoom;
    replace(plot);
    plot.setAttribute("width", width);
    plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const right = width - MARGIN.right;
    const bottom = height - MARGIN.bottom;
    if (low > high) {
      scale = null;
      plot.append(
        svg(
          "text",
          { x: width / 2, y: height / 2, class: "chart-empty", "text-anchor": "middle" },
          "No values in this time yet",
        ),
      );
      return;
    }
    const most = unit === "ratio" ? Math.max(high, 0.1) : high > 0 ? high : low < 0 ? 0 : 1; // a share that is nearly 0 is not blown up
    const marks = valueTicks(Math.min(0, low), most, unit).map((value) => [
      value,
      tickLabel(value, unit),
    ]);
    const [floor, ceiling] = [marks[0][0], marks[marks.length - 1][0]];
    const here = zone(start);
    indent =
      Math.ceil(Math.max(34, textWidth(here), ...marks.map(([, text]) => textWidth(text)))) + 8;
    const x = (time) => indent + ((time - start) / (end - start || 1)) * (right - indent);
    const y = (value) =>
      bottom - ((value - floor) / (ceiling - floor || 1)) * (bottom - MARGIN.top);
    scale = {
      x,
      y,
      start,
      end,
      time: (px) => start + ((px - indent) / (right - indent)) * (end - start),
    };
    for (const [value, text] of marks) {
      plot.append(
        svg("line", { class: "grid", x1: indent, x2: right, y1: y(value), y2: y(value) }),
        svg("text", { class: "tick", x: indent - 6, y: y(value) + 4, "text-anchor": "end" }, text),
      );
    }
    const { ticks, label: name } = timeTicks(start, end, width - 60); // charts of one width have the same times
    for (const time of ticks) {
      const px = x(time);
      if (px < indent + 34 || px > right - 14) continue;
      plot.append(
        svg("line", { class: "grid", x1: px, x2: px, y1: bottom, y2: bottom + 4 }),
        svg("text", { class: "tick", x: px, y: height - 5, "text-anchor": "middle" }, name(time)),
      );
    }
    plot.append(
      svg("text", { class: "tick zone", x: indent - 6, y: height - 5, "text-anchor": "end" }, here),
    );
    plot.append(
      svg(
        "clipPath",
        { id },
        svg("rect", { x: indent, y: 0, width: right - indent, height: bottom + 1 }),
      ),
    );
    const lines = svg("g", { "clip-path": `url(#${id})` });
    const gap = data.interval ? data.interval * 3.5 : 0;
    data.series.forEach((one, index) => {
      const [times, drawn] = thinned(one.times, one.values, start, end, right - indent);
      lines.append(
        svg("path", {
          class: `line c${index % COLOURS} d${Math.floor(index / COLOURS) % 3}`,
          d: linePath(
            times,
            drawn,
            x,
            y,
            times === one.times
              ? gap
              : gap && Math.max(gap, ((end - start) / (right - indent)) * 3),
          ),
        }),
      );
    });
    const ends =
      data.series.length > COLOURS
        ? []
        : data.series.map((one, index) => {
            // a line of one value is seen by its end
            const last = one.values.reduce(
              (found, value, i) =>
                value === null || value === undefined || one.times[i] < start || one.times[i] > end
                  ? found
                  : i,
              -1,
            );
            return last < 0
              ? null
              : svg("circle", {
                  class: `c${index}`,
                  r: 2.5,
                  cx: x(one.times[last]),
                  cy: y(one.values[last]),
                });
          });
    cross = svg("g", { class: "cross", visibility: "hidden" });
    plot.append(
      lines,
      ...ends.filter(Boolean),
      svg("line", { class: "axis", x1: indent, x2: right, y1: bottom, y2: bottom }),
      cross,
    );
    if (cursor !== null) point(cursor, true);
    if (drag) plot.append(drag.rect);
    else mark();
  }

  /** Show the values at a time; `quiet` when another chart or a redraw asks. */
  function point(time, quiet = false) {
    cursor = time;
    if (!scale || !cross || time === null || time < scale.start || time > scale.end) {
      tip.hidden = true;
      if (cross) cross.setAttribute("visibility", "hidden");
      return;
    }
    const rows = [];
    let at = null;
    const dots = [];
    data.series.forEach((one, index) => {
      if (!one.times.length) return;
      const i = nearest(one.times, time);
      if (
        Math.abs(one.times[i] - time) >
        Math.max((data.interval || 0) * 2, (scale.end - scale.start) / 60)
      )
        return;
      if (at === null) at = one.times[i];
      const value = one.values[i];
      rows.push({ name: one.name, value, index });
      if (value !== null && value !== undefined && Number.isFinite(value))
        dots.push([scale.x(one.times[i]), scale.y(value), index]);
    });
    if (at === null) {
      tip.hidden = true;
      cross.setAttribute("visibility", "hidden");
      return;
    }
    const px = scale.x(at);
    replace(
      cross,
      svg("line", { x1: px, x2: px, y1: MARGIN.top, y2: height - MARGIN.bottom }),
      dots
        .slice(0, 60)
        .map(([cx, cy, index]) => svg("circle", { class: `c${index % COLOURS}`, cx, cy, r: 3 })),
    );
    cross.setAttribute("visibility", "visible");
    rows.sort((a, b) => (b.value ?? -Infinity) - (a.value ?? -Infinity));
    replace(
      tip,
      h("div", { class: "muted" }, clock(at)),
      rows
        .slice(0, 10)
        .map((row) =>
          h(
            "div",
            { class: "tip-row" },
            h("i", { class: `swatch c${row.index % COLOURS}` }),
            rows.length > 1 || data.series.length > 1 ? h("span", {}, row.name) : null,
            h("b", {}, format(row.value, unit)),
          ),
        ),
      rows.length > 10 ? h("div", { class: "muted" }, `and ${rows.length - 10} more`) : null,
    );
    tip.hidden = false;
    const left = px > width / 2 ? px - tip.offsetWidth - 10 : px + 10;
    tip.style.transform = `translate(${Math.max(0, Math.round(left))}px, ${MARGIN.top}px)`;
    if (!quiet) {
      if (group) group.show(at, self);
    }
    return [at, rows];
  }

  function hide() {
    if (aimed !== null) aimed = undefined;
    point(null);
    cursor = null;
    if (group) group.show(null, self);
  }

  plot.addEventListener("pointermove", (event) => {
    if (!scale) return;
    const px = event.clientX - plot.getBoundingClientRect().left;
    if (aimed === null)
      requestAnimationFrame(() => {
        // one drawing a frame, however fast the pointer moves
        const time = aimed;
        aimed = null;
        if (scale && time !== undefined) point(Math.min(scale.end, Math.max(scale.start, time)));
      });
    aimed = scale.time(px);
    if (drag) {
      drag.to = Math.min(width - MARGIN.right, Math.max(indent, px));
      drag.rect.setAttribute("x", Math.min(drag.from, drag.to));
      drag.rect.setAttribute("width", Math.abs(drag.to - drag.from));
    }
  });
  plot.addEventListener("pointerleave", () => {
    if (!drag) hide();
  });
  plot.addEventListener("pointerdown", (event) => {
    if (!scale || event.button !== 0 || event.pointerType === "touch") return;
    const from = event.clientX - plot.getBoundingClientRect().left;
    drag = {
      from,
      to: from,
      rect: svg("rect", {
        class: "zoom",
        y: MARGIN.top,
        height: height - MARGIN.top - MARGIN.bottom,
        x: from,
        width: 0,
      }),
    };
    plot.append(drag.rect);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointerup", () => {
    if (!drag) return;
    const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    drag.rect.remove();
    drag = null;
    if (to - from > 8) {
      zoom = [scale.time(from), scale.time(to)];
      draw();
    }
  });
  plot.addEventListener("dblclick", () => {
    zoom = null;
    draw();
  });
  plot.addEventListener("keydown", (event) => {
    if (
      !scale ||
      !["ArrowLeft", "ArrowRight", "Home", "End", "Enter", "Escape"].includes(event.key)
    )
      return;
    event.preventDefault();
    if (event.key === "Escape") {
      zoom = null;
      anchor = null;
      hide();
      draw();
      return;
    }
    if (event.key === "Enter") {
      if (anchor === null || cursor === null || anchor === cursor) return;
      zoom = [Math.min(anchor, cursor), Math.max(anchor, cursor)];
      anchor = null;
      draw();
      spoken.textContent = `Shows ${clock(zoom[0])} to ${clock(zoom[1])}. Escape shows all.`;
      return;
    }
    const step = Math.max(data.interval || 0, (scale.end - scale.start) / 60);
    const now = cursor === null ? scale.end : cursor;
    const to = { ArrowLeft: now - step, ArrowRight: now + step, Home: scale.start, End: scale.end }[
      event.key
    ];
    if (event.shiftKey && anchor === null) anchor = now;
    if (!event.shiftKey) anchor = null;
    const found = point(Math.min(scale.end, Math.max(scale.start, to)));
    mark();
    if (found)
      spoken.textContent = `${clock(found[0])}: ${found[1]
        .slice(0, 8)
        .map((row) => `${row.name} ${format(row.value, unit)}`)
        .join(", ")}`;
  });
  plot.addEventListener("blur", () => {
    anchor = null;
    hide();
  });

  /** The span between where Shift went down and the crosshair: Enter zooms into it. */
  function mark() {
    const old = plot.querySelector(".zoom");
    if (old) old.remove();
    if (anchor === null || cursor === null || !scale) return;
    const [from, to] = [anchor, cursor].map(scale.x).sort((a, b) => a - b);
    plot.append(
      svg("rect", {
        class: "zoom",
        x: from,
        y: MARGIN.top,
        width: to - from,
        height: height - MARGIN.top - MARGIN.bottom,
      }),
    );
  }

  function drawTable() {
    const summary = figures.firstChild;
    replace(figures, summary);
    if (!figures.open) return;
    const times = [...new Set(data.series.flatMap((one) => one.times))]
      .sort((a, b) => b - a)
      .slice(0, 120);
    const shown = data.series.slice(0, 20);
    figures.append(
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": `${label}: figures` },
        h(
          "table",
          { class: "plain" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "col" }, "Time"),
              shown.map((one) => h("th", { scope: "col", class: "num" }, one.name)),
            ),
          ),
          h(
            "tbody",
            {},
            times.map((time) =>
              h(
                "tr",
                {},
                h("th", { scope: "row", title: fullTime(time) }, clock(time)),
                shown.map((one) => {
                  const i = one.times.indexOf(time);
                  return h("td", { class: "num" }, i < 0 ? "–" : format(one.values[i], unit));
                }),
              ),
            ),
          ),
        ),
      ),
    );
  }
  figures.addEventListener("toggle", drawTable);

  function update(next) {
    data = next;
    const last = data.series.slice(0, 6).map(({ name, values }) => {
      let at = values.length - 1;
      while (at > 0 && (values[at] === null || values[at] === undefined)) at -= 1;
      return `${name} ${format(values[at], unit)}`;
    });
    plot.setAttribute(
      "aria-label",
      `${label}: line chart, ${plural(data.series.length, "line")}. Last: ${last.join(", ")}. Arrow keys read values, with Shift they choose a span, Enter shows it alone, Escape all.`,
    );
    if (legend) {
      replace(
        keys,
        data.series
          .slice(0, 24)
          .map((one, index) =>
            h(
              "li",
              {},
              h("i", { class: `swatch c${index % COLOURS} d${Math.floor(index / COLOURS) % 3}` }),
              one.name,
            ),
          ),
        data.series.length > 24 ? h("li", {}, `and ${data.series.length - 24} more`) : null,
      );
    }
    draw();
    drawTable();
  }

  new ResizeObserver(() => {
    if (box.clientWidth !== width) draw();
  }).observe(box);
  if (group) group.charts.add(self);
  return self;
}

/** A histogram's cumulative buckets as bars: [[upper limit, count in it], ...]. */
export function barList(rows, unit, label) {
  const most = Math.max(1, ...rows.map(([, count]) => count));
  return h(
    "table",
    { class: "plain bars", "aria-label": label },
    h(
      "tbody",
      {},
      rows.map(([limit, count]) => {
        const bar = h("i", { class: "bar" });
        bar.style.width = `${(count / most) * 100}%`;
        return h(
          "tr",
          {},
          h("th", { scope: "row", class: "num" }, `≤ ${format(limit, unit)}`),
          h("td", { class: "bar-cell" }, bar),
          h("td", { class: "num" }, String(count)),
        );
      }),
    ),
  );
}
