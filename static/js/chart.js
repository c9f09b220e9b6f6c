// Charts on SVG: lanes of lines, areas or bars over one time axis, with marks and a crosshair that
// all charts share.

import {
  answered,
  areaPath,
  axisRange,
  barStacks,
  downSpans,
  evened,
  extremes,
  GAP,
  held,
  isNumber,
  lastIndex,
  lastTime,
  lastValue,
  linePath,
  lonePoints,
  nearest,
  spacing,
  sparkRange,
  stacked,
  summed,
  markRow,
  thinned,
  timeTicks,
  valueTicks,
  widestGap,
} from "./chartmath.js";
import { h, icon, replace, setText, svg } from "./dom.js";
import {
  axisFactor,
  axisLabels,
  clock,
  duration,
  format,
  fullTime,
  parts,
  NONE,
  plural,
  timeLabel,
} from "./format.js";
import { setFixed } from "./address.js";

export const COLOURS = 8;
const STANDARD_HEIGHT = 160; // px of a lane
const TOP = 8; // px above the highest value
const FLAG_ROOM = 18; // px above the plot, for the signs of marks
const RIGHT = 12; // px beside the last value
const AXIS_ROOM = 22; // px below the plot, for times
const EVEN_STEPS = 40; // in a range, at least, where values are put together
const STRIP = 4; // px, the height of down times below the axis
export const LANE_GAP = 14; // px between two lanes
const LEAST_INDENT = 52; // px for the labels of values
const LONE_BAR = 60; // seconds; maximum width of a bar while there is only one
const LEAST_BAR = 4; // px from one bar to the next, so that there is a space between them
const LEAST_DRAG = 8; // px; less is a click
const KEY_STEPS = 60; // presses of an arrow key from one end to the other
const NARROW = 420; // px
const TIP_ROWS = 10;
const TIP_MARKS = 6;
const LEGEND_ITEMS = 24;
const TABLE_TIMES = 120;
const TABLE_SERIES = 20;
const LEAST_OLD = 10; // seconds after which a value that nobody reports is not current
const BESIDE = 4; // px between the end of a line and what is written there
const NEAR_MARK = 6; // px between the crosshair and a mark that it names
const UNDER = 3; // px between the pointer and a mark that it is on
const COUNT_SPACE = 3; // px on either side of a number in its box
const isTouch = ({ pointerType }) => pointerType === "touch";
const HEAD = 48; // px at the top of the window that the page's head covers
const TIP_EDGE = 4; // px between the box of values and the edge of the window
const AROUND_MARKS = 60; // seconds of events before and after the marks that a sign leads to
const FLAGS = {
  restart: "restart",
  change: "change",
  alert: "alert",
  action: "action",
  resolved: "check",
  other: "stop",
};

const DASHES = 3; // kinds of lines: d0, d1, d2 in style.css
const COMBINE = { step: (counts) => Math.max(...counts) }; // a mean of counts is no count
const flagOf = ({ kind, critical }) => (critical ? "stop" : FLAGS[kind] || "change");
const markLook = ({ kind, critical }) => (critical ? `${kind} critical` : kind);
const otherNodes = (more) => (more ? ` (and ${plural(more, "other node")})` : "");
const colourClass = (index) => `c${index % COLOURS} d${Math.floor(index / COLOURS) % DASHES}`;

/** How a line looks, and its swatch: where there are few, they differ by more than their hue. */
export const lineLook = (colour, few, at = colour) =>
  few ? `c${colour % COLOURS} d${at % DASHES}` : colourClass(colour);

// ---- what all charts share: the time under the pointer ----

const charts = new Set();

function showEverywhere(time, origin) {
  for (const chart of charts) {
    if (!chart.element.isConnected && chart.seen) charts.delete(chart);
    else if (chart !== origin) chart.point(time);
  }
}

/** Have `listener(time)` called with the time under the pointer, or null, of any chart. */
export function followCrosshair(listener, signal) {
  const follower = { element: { isConnected: true }, point: listener };
  charts.add(follower);
  signal.addEventListener("abort", () => charts.delete(follower));
}

let ruler = null;

/** How wide a label of an axis is, in px. */
function textWidth(text) {
  if (!ruler) {
    ruler = document.createElement("canvas").getContext("2d");
    ruler.font = `11px ${getComputedStyle(document.body).fontFamily}`; // as .tick in style.css
  }
  return ruler.measureText(text).width;
}

/** One plot of a chart: its series share a unit and a value axis. */
class Lane {
  constructor({ unit, kind = "line", height = STANDARD_HEIGHT, least = 0 }) {
    Object.assign(this, { unit, kind, height, leastTop: least, series: [], drawn: [], limits: [] });
    this.ownHeight = height; // where no other lane is left out
  }

  get isRate() {
    return this.unit === "1/s" || this.unit === "1/min";
  }

  /** The lowest and the highest value of series between two times: bars stand on each other. */
  #extremes(series, start, end) {
    return extremes(this.kind === "bar" ? [summed(series)] : series, start, end);
  }

  /** Work out the value axis for what is between two times. */
  measure(start, end) {
    this.drawn = this.series;
    if (this.kind === "area") {
      const layers = stacked(this.series);
      this.drawn = this.series.map((one, i) => ({ ...one, ...layers[i], values: layers[i].upper }));
    }
    const [low, high] = this.#extremes(this.drawn, start, end);
    this.empty = low > high;
    this.highest = high;
    const few = this.height < 100 ? 1 : this.height < 140 ? 3 : 4;
    const top = Math.max(high, this.leastTop, ...this.limits.map(({ value }) => value));
    const [least, most] = axisRange(low, this.empty ? high : top, this.unit);
    const factor = axisFactor(most, this.unit);
    const round = valueTicks(least / factor, most / factor, few, this.kind === "step");
    const ticks = round.map((value) => value * factor);
    const labels = axisLabels(ticks, this.unit, this.isRate ? most : undefined);
    this.ticks = labels.map((text, i) => [ticks[i], text]);
    [this.floor, this.ceiling] = [ticks[0], ticks[ticks.length - 1]];
  }

  /** Take a place: the plot's area goes from `top` to `top + height` px. */
  place(top) {
    this.top = top;
    this.bottom = top + this.height;
  }

  y(value) {
    const share = (value - this.floor) / (this.ceiling - this.floor || 1);
    return this.bottom - share * (this.height - TOP);
  }

  /** The grid and the labels of values. */
  axis(left, right) {
    const lines = this.ticks.map(([value, text]) => [
      svg("line", { class: "grid", x1: left, x2: right, y1: this.y(value), y2: this.y(value) }),
      svg("text", { class: "tick", x: left - 8, y: this.y(value) + 4, "text-anchor": "end" }, text),
    ]);
    const { bottom } = this;
    return [lines, svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom })];
  }

  /** Limits as dashed lines. */
  limitLines(left, right) {
    if (this.empty) return [];
    return this.limits.map(({ value }) => {
      const y = this.y(value);
      return svg("line", { class: "limit", x1: left, x2: right, y1: y, y2: y });
    });
  }

  /** The names of the limits above their lines, where there are no marks up to `right`. */
  limitNames(right) {
    if (this.empty) return [];
    return this.limits.map(({ value, name }) => {
      const place = { x: right - NEAR_MARK - 2, y: this.y(value) - 4, "text-anchor": "end" };
      return svg("text", { class: "tick limit-name", ...place }, name);
    });
  }

  /** The series as paths. */
  paths({ x, start, end, pixels, gap, outages }) {
    if (this.kind === "bar") return this.#bars({ x, start, end, gap, outages });
    return this.drawn.map((one) => {
      const y = (value) => this.y(value);
      if (this.kind === "area") return this.#area(one, x, y, gap);
      const [times, values] = thinned(one.times, one.values, start, end, pixels);
      const wide = times === one.times ? gap : Math.max(gap, ((end - start) / pixels) * 3);
      const look = { class: `line ${one.look}` };
      const place = [times, values, x, y, gap && wide];
      const lone = lonePoints(...place).map(([cx, cy]) =>
        svg("circle", { class: one.look, r: 2, cx, cy }),
      );
      return [svg("path", { ...look, d: linePath(...place, this.kind === "step") }), lone];
    });
  }

  #area(one, x, y, gap) {
    const colour = one.rest ? "rest" : colourClass(one.colour);
    return [
      svg("path", {
        class: `area ${colour}`,
        d: areaPath(one.times, one.upper, one.lower, x, y, gap),
      }),
      svg("path", {
        class: `line thin ${colour}`,
        d: linePath(one.times, one.upper, x, y, gap),
      }),
    ];
  }

  /** Bars, those of one time on top of each other in the order of the legend. */
  #bars({ x, start, end, gap, outages }) {
    const least = (LEAST_BAR * (end - start)) / (x(end) - x(start));
    return barStacks(this.drawn, least, Math.min(gap / GAP, LONE_BAR))
      .filter(({ time }) => time >= start && time <= end)
      .flatMap(({ time, from, to, parts: all }) => {
        const before = outages.findLast(({ until }) => until <= time)?.until ?? from;
        const after = outages.find((outage) => outage.time >= time)?.time ?? to;
        const [left, right] = [x(Math.max(from, before)), x(Math.min(to, after))];
        const width = Math.max(LEAST_BAR / 2, right - left - 1);
        return all.map(({ index, lower, upper }) => {
          const y = this.y(upper);
          const place = { x: left + 0.5, y, width, height: this.y(lower) - y };
          return svg("rect", { class: `bar ${colourClass(this.drawn[index].colour)}`, ...place });
        });
      });
  }

  /**
   * What stands in a lane of bars without any, between the `places` of marks: it was measured, and
   * is 0, or is no more.
   */
  nothing({ left, right, x: xOf }, oldest, places) {
    if (this.kind !== "bar" || this.empty || this.highest > 0) return null;
    const times = this.series.map((one) => lastTime(one));
    const last = Math.max(...times);
    const after = Math.max(left, xOf(last) + BESIDE);
    const since = `No data since ${clock(last)}`;
    const widthOf = (words) => textWidth(words) * 1.2 + 16; // larger than a label of an axis
    const isOver = last < oldest;
    const text = isOver ? since : "None in this range";
    const width = widthOf(text);
    const [from, to] = isOver ? [after, right] : widestGap(left, right, places);
    // Without room beside them it stands over the lines of marks, or over the end of the values.
    const x = Math.min(right - width / 2, Math.max(left + width / 2, (from + to) / 2));
    const y = this.bottom - this.height / 2;
    const box = { x: x - width / 2, y: y - 14, width, height: 20 };
    return svg(
      "g",
      {},
      svg("rect", { class: "chart-blank", ...box }),
      svg("text", { class: "chart-empty none", x, y, "text-anchor": "middle" }, text),
    );
  }

  /** A dot at the end of each line: a line of one value is seen by it. */
  ends(x, start, end) {
    if (!["line", "step"].includes(this.kind) || this.series.length > COLOURS) return [];
    return this.drawn.map((one) => {
      const at = lastIndex(one, start, end);
      if (at < 0) return null;
      const [cx, cy] = [x(one.times[at]), this.y(one.values[at])];
      return svg("circle", { class: colourClass(one.colour), r: 2.5, cx, cy });
    });
  }
}

/**
 * The step to which a series is evened; 0 where a part of it was measured far less often than the
 * range needs: means of so long a step would move before what moved them.
 */
const evenStep = ({ start, end, interval = 0 }) =>
  interval <= (end - start) / EVEN_STEPS ? interval : 0;

/**
 * A chart. Options: label; note: words beside it; caption: false when it is said elsewhere; unit,
 * kind ("line", "step"; "area", "bar": stacked) and height, or lanes: [{unit, kind, height,
 * least}], whose axis reaches `least`; legend; link: where its caption leads; strip: down times are
 * a strip below the axis, where they are of a few nodes of many.
 * `update({series, start, end, interval, marks})` draws, with one list of series a lane where there
 * are lanes: [{name, times, values, colour, rest}]; times are Unix seconds. Marks: [{time, until,
 * kind: "down" (shaded) | "other" (another node was down) | "restart" | "change" | "action" |
 * "alert" | "resolved", critical, title}].
 * `isKnown: false`: whether there are values has not been told yet.
 * Limits: one list a lane, [{value, name}]: dashed lines.
 */
export class Chart {
  constructor(options) {
    this.options = options;
    this.allLanes = (options.lanes || [options]).map((lane) => new Lane(lane));
    this.lanes = this.allLanes; // those that are drawn
    this.data = { start: 0, end: 1, interval: 0, marks: [] };
    this.width = 0;
    this.scale = null;
    this.indent = 0; // px that the labels of values need
    this.sharedIndent = 0; // px that those of the charts around this one need
    this.cursor = null; // time of the crosshair
    this.signs = new Set(); // the kinds of marks for the legend
    this.row = []; // the signs and numbers of marks, as markRow() places them
    this.isAbove = false; // the pointer is beside the signs, not in the plot
    this.isByKey = false; // the crosshair is moved by keys
    this.isRead = false; // this chart is pointed at: its values stand beside the crosshair
    this.anchor = null; // where a span chosen by keyboard begins
    this.drag = null;
    this.seen = false;
    this.#build();
    this.#listen();
    charts.add(this);
  }

  #build() {
    const { label, note, legend, link, caption = true } = this.options;
    const keys = "arrow keys read values";
    const role = { role: "application", "aria-roledescription": `chart, ${keys}` };
    this.plot = svg("svg", { class: "chart-svg", tabindex: "0", "aria-label": label, ...role });
    this.tip = h("div", { class: "chart-tip", "aria-hidden": "true", hidden: true });
    this.spoken = h("span", { class: "visually-hidden", "aria-live": "polite" });
    this.box = h("div", { class: "chart-plot" }, this.plot, this.tip, this.spoken);
    this.note = note ? h("small", {}, note) : null;
    this.keys = h("div", { class: "legends", "aria-hidden": "true" });
    this.keyValues = []; // the places of the values in the legend
    this.figures = h("details", { class: "chart-table" }, h("summary", {}, "Figures as a table"));
    const name = h("h3", {}, link ? h("a", { href: link }, label) : label);
    this.caption = h(
      "figcaption",
      { class: caption ? null : "visually-hidden" },
      name,
      this.note,
      legend && this.keys,
    );
    this.element = h("figure", { class: "chart" }, this.caption, this.box, this.figures);
    this.figures.addEventListener("toggle", () => this.#drawTable());
    new ResizeObserver(() => {
      if (this.box.clientWidth === this.width) return;
      // The captions kept the height that they had at the old width.
      if (this.cursor !== null) this.#hide();
      this.draw();
    }).observe(this.box);
  }

  /** All series of all lanes. */
  get series() {
    return this.lanes.flatMap(({ unit, kind, series }) =>
      series.map((one) => ({ ...one, unit, kind })),
    );
  }

  update({ series, limits = [], ...data }) {
    const perLane = this.options.lanes ? series : [series];
    let colour = 0;
    this.allLanes.forEach((lane, i) => {
      lane.limits = limits[i] || [];
      const few = perLane[i].length <= COLOURS && ["line", "step"].includes(lane.kind);
      lane.series = perLane[i].map((one, at) => {
        const known = lane.kind === "area" ? one : answered(one);
        const points = evened(known, evenStep(data), false, COMBINE[lane.kind]);
        const row = { colour: colour++, ...one, ...points };
        row.look = row.rest ? "rest" : one.look || lineLook(row.colour, few, at);
        row.measured = { times: row.times, values: row.values };
        return row;
      });
    });
    this.#chooseLanes();
    this.data = { interval: 0, marks: [], ...data };
    const [first] = this.series;
    this.data.step = Math.max(this.data.interval, first ? spacing(first.times) : 0);
    this.#hold();
    this.#describe();
    if (this.options.legend) this.#drawLegend();
    this.draw();
    this.#drawTable();
  }

  /** Leave out lanes without series; the first of the others has their room. */
  #chooseLanes() {
    const high = (lanes) => lanes.reduce((sum, { ownHeight }) => sum + ownHeight + LANE_GAP, 0);
    const filled = this.allLanes.filter(({ series }) => series.length);
    this.lanes = filled.length ? filled : this.allLanes;
    const spare = high(this.allLanes) - high(this.lanes);
    this.lanes.forEach((lane, i) => (lane.height = lane.ownHeight + (i ? 0 : spare)));
  }

  /** Have lines reach the outages and the end of the range: means are of the time after them. */
  #hold() {
    const { marks, end, step } = this.data;
    const downs = this.options.strip ? [] : marks.filter(({ kind }) => kind === "down");
    const limits = { stops: downs.map(({ time }) => time), end, step, longest: step * GAP };
    for (const lane of this.lanes) {
      const { kind, series } = lane;
      if (!series.length || kind === "bar") continue;
      if (kind === "area") lane.series = held(series, limits);
      else lane.series = series.flatMap((one) => held([one], limits));
    }
  }

  /** When a value was measured at the earliest that counts as current: its line reaches the end. */
  get #oldest() {
    const { end, step } = this.data;
    return end - Math.max(step * GAP, LEAST_OLD);
  }

  /** The last value of a series for its legend; null where it is no longer reported. */
  #current(one) {
    if (one.isGone) return null;
    return lastTime(one, this.data.end) < this.#oldest ? null : lastValue(one, this.data.end);
  }

  #describe() {
    const { label } = this.options;
    const last = this.series.slice(0, 6).map((one) => {
      const share = one.share ? ` of ${one.share}` : "";
      return `${one.name} ${format(lastValue(one, this.data.end), one.unit)}${share}`;
    });
    const marks = this.data.marks.length ? ` ${plural(this.data.marks.length, "mark")}.` : "";
    this.plot.setAttribute(
      "aria-label",
      `${label}: chart, ${plural(this.series.length, "series", "series")}. ` +
        `Last: ${last.join(", ")}.${marks} Arrow keys read values; hold Shift to choose a span, ` +
        `Enter zooms all charts to it. At a mark, Enter shows its events.`,
    );
  }

  #drawLegend() {
    const shown = this.series.slice(0, LEGEND_ITEMS);
    const more = this.series.length - shown.length;
    this.keyValues = shown.map((one) => h("b", {}, this.#legendValue(one, this.#current(one))));
    const isTitle = (one) => this.series.length === 1 && one.name === this.options.label;
    const item = (one, i) =>
      h(
        "li",
        { title: one.about || null },
        isTitle(one)
          ? null
          : [
              h("i", { class: `swatch${one.kind === "area" ? " area" : ""} ${one.look}` }),
              one.name,
            ],
        this.keyValues[i],
      );
    // What the values are shares of -> their items; those that are whole stand before "of ...:".
    const lists = new Map();
    if (shown.some((one) => !one.share)) lists.set("", []);
    shown.forEach((one, i) => {
      const share = one.share || "";
      lists.set(share, [...(lists.get(share) || []), item(one, i)]);
    });
    if (more > 0) [...lists.values()].pop().push(h("li", {}, `and ${more} more`));
    replace(
      this.keys,
      [...lists].map(([share, items]) =>
        h("ul", { class: "legend", dataset: share ? { share: `of ${share}:` } : {} }, items),
      ),
    );
  }

  /** A value; of areas without the unit, which the axis has. */
  #legendValue(one, value) {
    const tenths = (figure) => Number(figure).toFixed(1);
    const short = () => parts(value, one.unit)[0].replace(/\d+\.\d{2,}/, tenths);
    return one.kind === "area" ? short() : format(value, one.unit);
  }

  /** Show the values under the crosshair in the legend, the last ones without it. */
  #drawLegendAt(rows) {
    if (!rows.length && !this.caption.style.minHeight) return;
    this.series.slice(0, this.keyValues.length).forEach((one, i) => {
      const row = rows.find(({ colour, name }) => colour === one.colour && name === one.name);
      const value = rows.length ? (row ? row.value : null) : this.#current(one);
      setText(this.keyValues[i], this.#legendValue(one, value));
    });
    // Longer values may need another line: the plot does not move back and forth for them. Once is
    // enough: in a grid, what is measured again has the height that a neighbour has asked for.
    if (!rows.length) this.caption.style.minHeight = "";
    else if (!this.caption.style.minHeight)
      this.caption.style.minHeight = `${this.caption.offsetHeight}px`;
  }

  // ---- drawing

  draw() {
    this.width = this.box.clientWidth || this.width;
    if (this.width < 40) return;
    this.seen = true;
    this.#drawPlot();
    if (this.options.drawn) this.options.drawn();
  }

  #drawPlot() {
    const { start, end } = this.data;
    for (const lane of this.lanes) lane.measure(start, end);
    const height = this.#placeLanes();
    replace(this.plot);
    this.signs = new Set();
    this.row = [];
    this.plot.setAttribute("width", this.width);
    this.plot.setAttribute("height", height);
    this.plot.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    if (this.lanes.every((lane) => lane.empty)) {
      this.#drawEmpty(height);
      return;
    }
    this.#measure();
    for (const lane of this.lanes) this.#drawLane(lane);
    if (this.options.strip)
      for (const span of downSpans(this.data.marks, end))
        this.plot.append(this.#span(span, { y: this.bottom + 1, height: STRIP }));
    this.#drawTimes(height);
    this.#drawMarks();
    const { left, right } = this.scale;
    const places = this.data.marks.flatMap(({ time, until, kind }) =>
      [time, kind === "down" ? (until ?? end) : time].map(this.scale.x),
    );
    const nothing = this.lanes.map((lane) => lane.nothing(this.scale, this.#oldest, places));
    const [, free] = widestGap(left, right, places);
    const names = this.lanes.flatMap((lane) => lane.limitNames(free));
    this.plot.append(...nothing.filter(Boolean), ...names);
    this.cross = svg("g", { class: "cross", visibility: "hidden" });
    this.plot.append(this.cross);
    if (this.cursor !== null) this.point(this.cursor, this.isRead);
    if (this.drag) this.plot.append(this.drag.rect);
    else this.#markSpan();
  }

  /** Give each lane its place, one below the other; returns the height of all, px. */
  #placeLanes() {
    let top = this.data.marks.length || this.options.flags ? FLAG_ROOM : 0;
    this.flagRoom = top;
    for (const lane of this.lanes) {
      lane.place(top);
      top = lane.bottom + LANE_GAP;
    }
    this.bottom = top - LANE_GAP;
    return this.bottom + AXIS_ROOM;
  }

  #drawEmpty(height) {
    this.scale = null;
    this.indent = 0;
    if (this.data.isKnown === false) return;
    const text = this.data.emptyText || "No values in this time range";
    const place = { x: this.width / 2, y: height / 2, "text-anchor": "middle" };
    this.plot.append(svg("text", { class: "chart-empty", ...place }, text));
  }

  /** The scale of the time axis: {left, right, x(time), time(px), pixels(seconds)}. */
  #measure() {
    const { start, end } = this.data;
    const labels = this.lanes.flatMap((lane) => lane.ticks.map(([, text]) => textWidth(text)));
    this.indent = Math.ceil(Math.max(LEAST_INDENT, ...labels));
    const left = Math.max(this.indent, this.sharedIndent) + 8;
    const right = this.width - RIGHT;
    this.scale = {
      left,
      right,
      x: (time) => left + ((time - start) / (end - start || 1)) * (right - left),
      time: (px) => start + ((px - left) / (right - left)) * (end - start),
      pixels: (seconds) => (seconds / (end - start || 1)) * (right - left),
    };
  }

  #drawLane(lane) {
    const { left, right, x } = this.scale;
    const { start, end, step } = this.data;
    const clip = svg("svg", {
      class: "clip",
      x: left,
      y: lane.top,
      width: Math.max(1, right - left),
      height: lane.height + 1,
      viewBox: `${left} ${lane.top} ${Math.max(1, right - left)} ${lane.height + 1}`,
    });
    const gap = step * GAP;
    const downs = this.options.strip ? [] : downSpans(this.data.marks, end);
    for (const span of downs) clip.append(this.#span(span, { y: lane.top, height: lane.height }));
    const outages = downs.filter(({ partly }) => !partly);
    for (const path of lane.paths({ x, start, end, pixels: right - left, gap, outages }).flat(2))
      if (path) clip.append(path);
    for (const part of lane.axis(left, right).flat(2)) this.plot.append(part);
    this.plot.append(clip, ...lane.limitLines(left, right));
    this.plot.append(...lane.ends(x, start, end).filter(Boolean));
  }

  #span({ time, until, partly }, place) {
    const { left, right, x } = this.scale;
    const from = Math.max(left, x(time));
    const to = Math.min(right, x(until));
    const name = this.options.strip ? "down-strip" : "down-span";
    const width = Math.max(2, to - from);
    return svg("rect", { class: partly ? `${name} partly` : name, x: from, width, ...place });
  }

  #drawTimes(height) {
    const { left, right, x } = this.scale;
    const { start, end } = this.data;
    const { ticks, step } = timeTicks(start, end, this.width - LEAST_INDENT);
    for (const time of ticks) {
      const px = x(time);
      const text = timeLabel(time, step);
      if (px < left + 14 || px + textWidth(text) / 2 > this.width) continue;
      const place = { x: px, y: height - 5, "text-anchor": "middle" };
      this.plot.append(
        svg("line", { class: "grid", x1: px, x2: px, y1: this.bottom, y2: this.bottom + 4 }),
        svg("text", { class: "tick", ...place }, text),
      );
    }
  }

  #drawMarks() {
    const { left, right, x } = this.scale;
    const shown = this.data.marks
      .map((mark) => ({ ...mark, px: x(mark.time) }))
      .filter(({ kind, px }) => kind !== "down" && px >= left && px <= right);
    for (const mark of shown) {
      const line = { x1: mark.px, x2: mark.px, y1: this.flagRoom, y2: this.bottom };
      this.plot.append(svg("line", { class: `mark ${markLook(mark)}`, ...line }));
    }
    const lengthOf = (count) => textWidth(`+${count}`) + 2 * COUNT_SPACE + 2; // apart from signs
    this.row = markRow(shown, this.width, lengthOf);
    for (const one of this.row) this.#drawInRow(one);
    this.signs = new Set(shown.map((mark) => (mark.critical ? "critical" : mark.kind)));
    if (this.row.some(({ px }) => px === undefined)) this.signs.add("more");
    const { start, end } = this.data;
    if (downSpans(this.data.marks, end).some(({ time, until }) => time <= end && until >= start))
      this.signs.add("down");
  }

  /** A sign, or a number in a box: it counts marks of any kind, not more of a sign beside it. */
  #drawInRow({ marks, px, left }) {
    const top = this.flagRoom - 14;
    const told = marks.map((mark) => this.#markText(mark)).join("\n");
    const group = svg("g", { role: "img", "aria-label": told });
    if (px === undefined) {
      const text = `+${marks.length}`;
      const box = { y: top - 1, width: textWidth(text) + 2 * COUNT_SPACE, height: 14 };
      const x = left + 1 + COUNT_SPACE;
      group.append(
        svg("rect", { class: "flag-box", x: left + 1, rx: 3, ...box }),
        svg("text", { class: "flag-count", x, y: this.flagRoom - 4 }, text),
      );
    } else {
      const sign = icon(flagOf(marks[0]));
      const place = { x: px - 6, y: top, width: 12, height: 12 };
      for (const [name, value] of Object.entries(place)) sign.setAttribute(name, value);
      sign.setAttribute("class", `flag ${markLook(marks[0])}`);
      group.append(sign);
    }
    this.plot.append(group);
  }

  #markText(mark) {
    return `${clock(mark.time)} ${mark.title}${otherNodes(mark.more)}`;
  }

  /** Marks of which those are one with `more` that tell the same of several nodes. */
  #alikeMarks(marks) {
    const lines = new Map(); // what is told, without the node -> the marks
    for (const mark of marks) {
      const told = `${mark.kind} ${mark.title.replace(mark.node || "", "")}`;
      lines.set(told, [...(lines.get(told) || []), mark]);
    }
    return [...lines.values()].map(([first, ...others]) => {
      const more = others.reduce((sum, mark) => sum + 1 + (mark.more || 0), first.more || 0);
      return { ...first, more };
    });
  }

  /** The marks of the signs at a place; in the plot, of lines at its crosshair or the pointer. */
  #flagsAt(px) {
    const isHere = ({ left, right }) => px >= left && px <= right;
    if (this.isAbove) return this.row.filter(isHere).flatMap(({ marks }) => marks);
    const [row] = this.#valuesAt(this.scale.time(px));
    const cross = row ? this.scale.x(row.at) : px;
    // Every line is within half a step of the keys.
    const reach = this.isByKey ? this.scale.pixels(this.#keyStep) / 2 : UNDER;
    const isNear = (mark) =>
      Math.abs(mark.px - cross) <= NEAR_MARK || Math.abs(mark.px - px) <= reach;
    return this.row.flatMap(({ marks }) => marks.filter(isNear));
  }

  /** All marks that are told at a place: those of its signs or lines, and down times. */
  #marksAt(px) {
    const { x } = this.scale;
    const isDown = ({ kind, time, until }) =>
      kind === "down" && px >= x(time) - NEAR_MARK && px <= x(until ?? this.data.end) + NEAR_MARK;
    const downs = this.isAbove ? [] : this.data.marks.filter(isDown);
    return [...this.#flagsAt(px), ...downs];
  }

  /** Show the events of the marks at a place; returns whether there are any. */
  #openEvents(px) {
    const times = this.#flagsAt(px).map(({ time }) => time);
    if (!times.length) return false;
    this.#hide();
    const [first, last] = [Math.min(...times), Math.max(...times)];
    setFixed(first - AROUND_MARKS, last + AROUND_MARKS, "#/events");
    return true;
  }

  // ---- the crosshair

  /** The values at a time: [{name, value, unit, colour, lane, at}]. */
  #valuesAt(time) {
    const { start, end, step } = this.data;
    const most = Math.max(step * 2, (end - start) / KEY_STEPS);
    return this.lanes.flatMap((lane) =>
      lane.series.flatMap((one, i) => {
        if (!one.times.length) return [];
        let at = nearest(one.times, time);
        // The values just outside the range only complete the lines.
        if (one.times[at] < start) at += 1;
        else if (one.times[at] > end) at -= 1;
        const found = one.times[at];
        if (!(found >= start && found <= end) || Math.abs(found - time) > most) return [];
        const height = lane.drawn[i] ? lane.drawn[i].values[at] : null;
        return [{ ...one, value: one.values[at], at: one.times[at], height, lane }];
      }),
    );
  }

  /**
   * Show the crosshair at a time, or none for null, and the values there: in the legend, and in a
   * box where this chart `isRead`. Returns what it shows.
   */
  point(time, isRead = false) {
    this.cursor = time;
    this.isRead = isRead;
    const { start, end } = this.data;
    const inside = this.scale && this.cross && time !== null && time >= start && time <= end;
    const rows = inside ? this.#valuesAt(time) : [];
    this.#drawLegendAt(rows);
    this.tip.hidden = true;
    if (rows.length) this.#drawCross(this.scale.x(rows[0].at), rows);
    else if (this.cross) this.cross.setAttribute("visibility", "hidden");
    if (isRead && inside) this.#drawTip(this.scale.x(time), rows);
    return rows;
  }

  #drawCross(px, rows) {
    const dots = rows
      .filter((row) => isNumber(row.height) && row.lane.kind !== "bar")
      .slice(0, 60)
      .map((row) => {
        const place = { cx: this.scale.x(row.at), cy: row.lane.y(row.height), r: 3 };
        return svg("circle", { class: row.rest ? "rest" : colourClass(row.colour), ...place });
      });
    const line = svg("line", { x1: px, x2: px, y1: this.flagRoom, y2: this.bottom });
    replace(this.cross, line, dots);
    this.cross.setAttribute("visibility", "visible");
  }

  /** What a drag selects; all else would hide it. */
  #drawSpanTip({ from, to }) {
    const [first, last] = [Math.min(from, to), Math.max(from, to)].map((px) => this.scale.time(px));
    const text = `${clock(first)} – ${clock(last)} (${duration(last - first)})`;
    replace(this.tip, h("div", { class: "muted" }, text));
    return this.#placeTip(to);
  }

  #drawTip(px, rows) {
    if (this.drag) return this.#drawSpanTip(this.drag);
    const marks = this.#marksAt(px);
    if (!rows.length && !marks.length) return null;
    const isAboutMarks = this.isAbove && marks.length > 0;
    const known = isAboutMarks ? [] : rows;
    const sorted =
      this.lanes[0].kind === "area" || this.lanes.length > 1 ? known : sortedByValue(known);
    replace(
      this.tip,
      known.length ? h("div", { class: "muted" }, clock(rows[0].at)) : null,
      sorted
        .slice(0, TIP_ROWS)
        .map((row) =>
          h(
            "div",
            { class: "tip-row" },
            h("i", { class: `swatch ${row.look}` }),
            this.series.length > 1 ? h("span", {}, row.name) : null,
            h("b", {}, format(row.value, row.lane.unit)),
          ),
        ),
      sorted.length > TIP_ROWS
        ? h("div", { class: "muted" }, `and ${sorted.length - TIP_ROWS} more`)
        : null,
      this.#tipMarks(marks),
    );
    return this.#placeTip(rows.length ? this.scale.x(rows[0].at) : px);
  }

  /** The marks at the crosshair, below its values and shorter than they are. */
  #tipMarks(marks) {
    const lines = this.#alikeMarks(marks);
    if (!lines.length) return null;
    const more = lines.length - TIP_MARKS;
    const shown = lines.slice(0, TIP_MARKS).sort((a, b) => a.time - b.time);
    return h(
      "div",
      { class: "tip-marks" },
      shown.map((mark) => h("div", { class: "tip-mark" }, this.#markText(mark))),
      more > 0 ? h("div", { class: "muted" }, `and ${plural(more, "other event")}`) : null,
    );
  }

  #placeTip(px) {
    this.tip.hidden = false;
    // On the right of the crosshair where there is room: what led here stays in sight.
    const isBeside = px + 10 + this.tip.offsetWidth <= this.width;
    const left = isBeside ? px + 10 : px - this.tip.offsetWidth - 10;
    const place = `${Math.max(0, Math.round(left))}px, ${Math.round(this.#tipTop())}px`;
    this.tip.style.transform = `translate(${place})`;
  }

  /** Where the box begins, px below the top of the plot: all of it is in the window. */
  #tipTop() {
    const { offsetHeight: height } = this.tip;
    const { top } = this.box.getBoundingClientRect();
    const least = HEAD + TIP_EDGE - top;
    const most = innerHeight - TIP_EDGE - height - top;
    // A narrow chart has no room beside it: the box stands below the lines, or above them.
    const isNarrow = this.width < NARROW;
    const wanted = isNarrow ? this.bottom + AXIS_ROOM : this.flagRoom + TOP;
    const above = -TIP_EDGE - height;
    if (isNarrow && wanted > most && above >= least) return above;
    return Math.max(least, Math.min(wanted, most));
  }

  #show(time) {
    const rows = this.point(time, true);
    showEverywhere(rows.length ? rows[0].at : null, this);
    return rows;
  }

  #hide() {
    this.aimed = undefined;
    this.point(null);
    showEverywhere(null, this);
  }

  // ---- pointer and keyboard

  #listen() {
    this.plot.addEventListener("pointermove", (event) => this.#move(event));
    const leave = () => !this.drag && this.#hide();
    // What a finger tapped stays when it is lifted.
    this.plot.addEventListener("pointerleave", (event) => isTouch(event) || leave());
    this.plot.addEventListener("pointercancel", leave);
    this.plot.addEventListener("pointerdown", (event) => this.#press(event));
    this.plot.addEventListener("pointerup", (event) => this.#release(event));
    this.plot.addEventListener("keydown", (event) => this.#key(event));
    this.plot.addEventListener("blur", () => {
      this.anchor = null;
      this.#hide();
    });
  }

  #inside(px) {
    return Math.min(this.scale.right, Math.max(this.scale.left, px));
  }

  /** Where the pointer is on the time axis, px. */
  #aim(event) {
    const { left, top } = this.plot.getBoundingClientRect();
    this.isAbove = event.clientY - top < this.flagRoom;
    this.isByKey = false;
    return this.#inside(event.clientX - left);
  }

  /** One drawing a frame, however fast the pointer moves. */
  #move(event) {
    if (!this.scale) return;
    const px = this.#aim(event);
    this.plot.style.cursor = this.isAbove && this.#flagsAt(px).length ? "pointer" : "";
    const waiting = this.aimed !== undefined && this.aimed !== null;
    this.aimed = this.scale.time(px);
    if (!waiting)
      requestAnimationFrame(() => {
        const time = this.aimed;
        this.aimed = null;
        if (this.scale && isNumber(time)) this.#show(time);
      });
    if (!this.drag) return;
    this.drag.to = px;
    this.drag.rect.setAttribute("x", Math.min(this.drag.from, px));
    this.drag.rect.setAttribute("width", Math.abs(px - this.drag.from));
  }

  #press(event) {
    if (!this.scale || event.button !== 0 || isTouch(event)) return;
    const from = this.#aim(event);
    this.drag = { from, to: from, rect: this.#spanRect(from, from) };
    this.plot.append(this.drag.rect);
    this.plot.setPointerCapture(event.pointerId);
  }

  #release(event) {
    if (!this.scale || event.button !== 0) return;
    const { from, to, rect } = this.drag || { from: 0, to: 0 }; // a touch drags nothing
    if (rect) rect.remove();
    this.drag = null;
    if (Math.abs(to - from) < LEAST_DRAG) {
      const px = this.#aim(event);
      if (this.isAbove) this.#openEvents(px);
      else if (isTouch(event)) this.#showTapped(px);
      return;
    }
    this.#hide();
    setFixed(this.scale.time(Math.min(from, to)), this.scale.time(Math.max(from, to)));
  }

  /** Show the values of a place until something else is tapped. */
  #showTapped(px) {
    this.#show(this.scale.time(px));
    const isElsewhere = ({ target }) => !this.plot.contains(target);
    const end = (event) => isElsewhere(event) && this.#hide();
    document.addEventListener("pointerdown", end, { once: true });
  }

  #spanRect(from, to) {
    return svg("rect", {
      class: "zoom",
      x: Math.min(from, to),
      y: this.flagRoom,
      width: Math.abs(to - from),
      height: this.bottom - this.flagRoom,
    });
  }

  /** Seconds that the crosshair moves with an arrow key. */
  get #keyStep() {
    const { start, end, interval } = this.data;
    return Math.max(interval, (end - start) / KEY_STEPS);
  }

  #key(event) {
    const { start, end } = this.data;
    const step = this.#keyStep;
    const now = this.cursor === null ? end : this.cursor;
    const to = { ArrowLeft: now - step, ArrowRight: now + step, Home: start, End: end }[event.key];
    if (!this.scale) return;
    this.isAbove = false;
    this.isByKey = true;
    if (event.key === "Escape" && this.cursor !== null) {
      event.preventDefault();
      this.anchor = null;
      this.#hide();
      this.#markSpan();
    } else if (event.key === "Enter") this.#zoomToSpan(event);
    else if (to !== undefined) {
      event.preventDefault();
      if (event.shiftKey && this.anchor === null) this.anchor = now;
      if (!event.shiftKey) this.anchor = null;
      this.#speak(this.#show(Math.min(end, Math.max(start, to))));
      this.#markSpan();
    }
  }

  #zoomToSpan(event) {
    const { anchor, cursor } = this;
    if (anchor === null && cursor !== null && this.#openEvents(this.scale.x(cursor)))
      event.preventDefault();
    if (anchor === null || cursor === null || anchor === cursor) return;
    event.preventDefault();
    this.anchor = null;
    const span = [Math.min(anchor, cursor), Math.max(anchor, cursor)];
    setText(this.spoken, `All charts show ${clock(span[0])} to ${clock(span[1])}.`);
    this.#hide();
    this.#markSpan();
    setFixed(...span);
  }

  #speak(rows) {
    const values = rows.slice(0, 8).map((row) => `${row.name} ${format(row.value, row.lane.unit)}`);
    const marks = this.#alikeMarks(this.#marksAt(this.scale.x(this.cursor)));
    const told = [
      values.length ? `${clock(rows[0].at)}: ${values.join(", ")}` : "",
      ...marks.slice(0, TIP_MARKS).map((mark) => this.#markText(mark)),
      marks.length ? "Enter shows the events of this time" : "",
    ].filter(Boolean);
    if (told.length) setText(this.spoken, told.join(". "));
  }

  /** The span between where Shift went down and the crosshair. */
  #markSpan() {
    const old = this.plot.querySelector(".zoom");
    if (old) old.remove();
    if (this.anchor === null || this.cursor === null || !this.scale) return;
    this.plot.append(this.#spanRect(this.scale.x(this.anchor), this.scale.x(this.cursor)));
  }

  // ---- the figures as a table

  #drawTable() {
    replace(this.figures, this.figures.firstChild);
    if (!this.figures.open) return;
    const shown = this.series.slice(0, TABLE_SERIES);
    const { start, end } = this.data;
    const inRange = (time) => time >= start && time <= end;
    const all = shown.flatMap((one) => one.measured.times).filter(inRange);
    const times = [...new Set(all)].sort((a, b) => b - a);
    const index = shown.map(
      ({ measured: { times: known, values } }) =>
        new Map(known.map((time, i) => [time, values[i]])),
    );
    const cell = (one, i, time) =>
      h("td", { class: "num" }, index[i].has(time) ? format(index[i].get(time), one.unit) : NONE);
    const head = h(
      "tr",
      {},
      h("th", { scope: "col" }, "Time"),
      shown.map((one) => h("th", { scope: "col", class: "num" }, one.name)),
    );
    const rows = times.slice(0, TABLE_TIMES).map((time) =>
      h(
        "tr",
        {},
        h("th", { scope: "row", title: fullTime(time) }, clock(time)),
        shown.map((one, i) => cell(one, i, time)),
      ),
    );
    const region = {
      tabindex: "0",
      role: "region",
      "aria-label": `${this.options.label}: figures`,
    };
    const table = h("table", { class: "plain" }, h("thead", {}, head), h("tbody", {}, rows));
    this.figures.append(h("div", { class: "scroll", ...region }, table));
  }
}

/** Have the plots of these charts begin at one place, however wide their labels of values are. */
export function alignPlots(drawn) {
  const indent = Math.max(0, ...drawn.map((chart) => chart.indent));
  for (const chart of drawn) {
    const isOther = Math.max(chart.indent, chart.sharedIndent) !== indent;
    chart.sharedIndent = indent;
    if (isOther) chart.draw();
  }
}

const sortedByValue = (rows) =>
  [...rows].sort((a, b) => (b.value ?? -Infinity) - (a.value ?? -Infinity));

const SPARK_HEIGHT = 36; // px
const LEAST_SPARK = 3; // values; fewer are dots that show no course
const SPARK_WIDTH = 96; // px

/** A small graph without axes; decoration for the eye, the value stands beside it. */
export function sparkline(values, { unit, width = SPARK_WIDTH, height = SPARK_HEIGHT } = {}) {
  const known = values || [];
  const [low, high] = sparkRange(known, unit);
  const count = Math.max(2, known.length);
  const x = (i) => (i / (count - 1)) * (width - 4);
  const y = (value) => height - 1 - ((value - low) / (high - low || 1)) * (height - 4);
  const times = known.map((_, i) => i);
  const floor = known.map(() => low);
  const isEnough = known.filter(isNumber).length >= LEAST_SPARK;
  const at = isEnough ? lastIndex({ times, values: known }, 0, count) : -1;
  return svg(
    "svg",
    { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
    at < 0 ? null : svg("path", { class: "spark-area", d: areaPath(times, known, floor, x, y, 0) }),
    at < 0
      ? null
      : svg("line", { class: "spark-base", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }),
    at < 0 ? null : svg("path", { class: "spark-line", d: linePath(times, known, x, y, 0) }),
    at < 0 ? null : svg("circle", { class: "spark-end", cx: x(at), cy: y(known[at]), r: 2 }),
  );
}
