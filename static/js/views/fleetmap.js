// The fleet map: one square per node, by model and instance, coloured by state or by a figure.

import { isNumber } from "../chartmath.js";
import { button, fitted, instanceLink, nodeLink, outlierFigure, outlierText } from "../controls.js";
import { h, replace, setText, svg } from "../dom.js";
import { axisLabels, byName, format, NONE, plain, plural, within } from "../format.js";
import { store } from "../server.js";
import { metricLabel, stateRank, STATES } from "../words.js";
import { alertsOn, instancesOf, instanceWords, outliersIn, rankOf } from "./instances.js";

const PITCHES = [16, 15, 14, 13, 12, 11, 10]; // px from one square to the next
const HEIGHT = 520; // px that the map has: its squares are as large as that allows
const TITLE = 32; // px for the heading of a group
const SQUARE_GAP = 1; // px between two squares
const INSTANCE_GAP = 8; // px at least between two instances
const ROW_GAP = 5; // px between two rows
const LABEL = 26; // px for the numbers of rows
const AROUND = 28; // px of the map that its rows leave free
const ROW_NUMBER = { class: "row-number", x: 0, "aria-hidden": "true" };
const LEVELS = 5;
const WORST = 8; // instances named
const NEAR = 0.1; // of a value: another one is as bad
const MOST_NAMED = 14; // of those that need attention
const MORE = "more"; // marks the line after them
const KEYS = "Arrow keys move from node to node, Enter opens the node.";
const NO_MODEL = "No model reported";
const FACTORS = [1, 2, 4, 8]; // times the round median: the limits of the levels
const ROUND = [1, 1.5, 2, 3, 4, 5, 6, 8, 10];

const metric = (node, name) => (node.metrics || {})[name] ?? null;

function memoryShare(node) {
  const used = metric(node, "local_cache_bytes");
  const limit = metric(node, "local_cache_limit_bytes");
  return isNumber(used) && limit > 0 ? used / limit : null;
}

/** What squares may show: [id, label, unit, value(node), whether low is bad]. */
const MODES = [
  ["state", "State", "", () => null, false],
  ["lookup_hit_rate", "Hit rate", "ratio", (node) => metric(node, "lookup_hit_rate"), true],
  ["retrieve_p99", "Retrieve p99", "seconds", (node) => metric(node, "retrieve_p99"), false],
  ["memory", metricLabel("local_cache_bytes"), "ratio", memoryShare, false],
  ["evictions", "Evictions", "1/s", (node) => metric(node, "evictions_per_second"), false],
];

/** A round number at or above a value. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return ROUND.map((factor) => factor * power).find((one) => one >= value * 0.999);
}

/** The limits between levels of these values; for ratios five equal parts. */
export function levelLimits(values, unit) {
  if (unit === "ratio") return [0.2, 0.4, 0.6, 0.8];
  const sorted = values.filter((value) => value > 0).sort((a, b) => a - b);
  if (!sorted.length) return FACTORS;
  const base = roundUp(sorted[Math.floor(sorted.length / 2)]);
  return FACTORS.map((factor) => factor * base);
}

/** The level of a value, 1 to 5: a higher one is worse. */
export function levelOf(value, limits, lowIsBad) {
  const over = limits.filter((limit) => value > limit).length;
  return lowIsBad ? LEVELS - over : over + 1;
}

/** "≤ 100 ms", "100 – 200 ms" and so on, all in one unit. */
export function levelNames(limits, unit, lowIsBad) {
  const labels = axisLabels(limits, unit);
  const figures = labels.map((label) => /^[\d.,]+/.exec(label)[0]);
  const last = figures.length - 1;
  const word = labels[last].slice(figures[last].length);
  const names = [
    `≤ ${figures[0]}${word}`,
    ...figures.slice(1).map((figure, i) => `${figures[i]} – ${figure}${word}`),
    `> ${labels[last]}`,
  ];
  return lowIsBad ? names.reverse() : names;
}

const ROLE_RANK = { scheduler: 0, engine: 1, worker: 2 };
const inOrder = (nodes) =>
  [...nodes].sort(
    (a, b) => (ROLE_RANK[a.kind] ?? 3) - (ROLE_RANK[b.kind] ?? 3) || byName(a.key, b.key),
  );

/**
 * Groups of instances by model, and what belongs to none: [{title, note, instances: [{name, id,
 * nodes}]}].
 */
export function mapGroups(status) {
  const byKey = new Map(status.nodes.map((node) => [node.key, node]));
  const models = new Map();
  const inside = new Set();
  for (const one of instancesOf(status)) {
    const nodes = one.nodes.map((key) => byKey.get(key)).filter(Boolean);
    if (nodes.length < 2) continue;
    const title = one.model || NO_MODEL;
    for (const node of nodes) inside.add(node.key);
    const entry = { id: one.id, name: one.name, nodes: inOrder(nodes) };
    if (models.has(title)) models.get(title).push(entry);
    else models.set(title, [entry]);
  }
  const groups = [...models]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([title, list]) => modelGroup(title, list));
  const rest = status.nodes.filter((node) => !inside.has(node.key));
  if (rest.length) groups.push(restGroup(rest, groups.length > 0));
  return groups;
}

function modelGroup(title, list) {
  const count = list.reduce((sum, one) => sum + one.nodes.length, 0);
  const instances = list.sort((a, b) => byName(a.name, b.name));
  const note = `${plural(list.length, "instance")} · ${plural(count, "node")}`;
  return { title, note, instances };
}

const CHUNK = 20; // squares of a row of nodes that belong to no instance

function restGroup(nodes, afterOthers) {
  const sorted = [...nodes].sort((a, b) => byName(a.kind, b.kind) || byName(a.key, b.key));
  const instances = [];
  for (let i = 0; i < sorted.length; i += CHUNK)
    instances.push({ id: "", name: "", nodes: sorted.slice(i, i + CHUNK) });
  const servers = nodes.every((node) => node.kind === "mp" || node.kind === "coordinator");
  const title = servers ? "MP servers and coordinators" : afterOthers ? "Other nodes" : "Nodes";
  return { title, note: plural(nodes.length, "node"), instances };
}

/** Groups that have a node that fits stand before those that are dim. */
function fittingFirst(groups, fitting) {
  if (!fitting) return groups;
  const fits = ({ instances }) =>
    instances.some(({ nodes }) => nodes.some(({ key }) => fitting.has(key)));
  return [...groups.filter(fits), ...groups.filter((group) => !fits(group))];
}

/** How many instances are in a row of so many px. */
const perRow = (group, width, pitch) => {
  const room = width - LABEL + INSTANCE_GAP;
  return Math.max(1, Math.floor(room / (widest(group, pitch) + INSTANCE_GAP)));
};

const widest = ({ instances }, pitch) =>
  Math.max(...instances.map((one) => one.nodes.length)) * pitch;

/** The largest pitch of squares with which all groups fit into the map, or the smallest. */
function fittingPitch(groups, width) {
  const heightOf = (group, pitch) =>
    TITLE + Math.ceil(group.instances.length / perRow(group, width, pitch)) * (pitch + ROW_GAP);
  const fits = (pitch) => {
    const height = groups.reduce((sum, group) => sum + heightOf(group, pitch), 0);
    return height <= HEIGHT && groups.every((group) => widest(group, pitch) <= width - LABEL);
  };
  return PITCHES.find(fits) || PITCHES[PITCHES.length - 1];
}

const INSET = { down: 1, outlier: 1.5 }; // px, half of their strokes

/** A square as path data; that of a node that is down is crossed. */
function squarePath({ x, y, size }, look) {
  const inset = INSET[look] || 0;
  const [left, top] = [x + inset, y + inset];
  const [right, bottom] = [x + size - inset, y + size - inset];
  const cross = `L${right} ${bottom}M${right} ${top}L${left} ${bottom}`;
  return `M${left} ${top}H${right}V${bottom}H${left}z${look === "down" ? cross : ""}`;
}

/** The number at the end of an instance's name, or its place in the list. */
function rowLabel(instance, index) {
  const found = /(\d+)$/.exec(instance.name || "");
  return found ? found[1] : plain(index + 1);
}

let opened = ""; // the key of the node whose square was opened last

export class FleetMap {
  /**
   * `mode` is what squares show at first; `onmode(mode)` is called when the user chooses another,
   * `onclear()` to clear the filters. It listens to the keys of the page until `signal` aborts.
   * `isBack`: the page was gone back to, so the focus is where it was.
   */
  constructor(signal, mode, onmode, onclear, isBack) {
    this.returnsTo = isBack ? opened : "";
    opened = "";
    this.onmode = onmode;
    this.wanted = mode;
    this.squares = []; // {node key, rect, x, y, group, shown: its class}
    this.fitting = null;
    this.built = "";
    this.at = -1;
    this.size = h("span", { class: "hint" });
    const clear = () => {
      onclear();
      this.#choose(this.wanted); // the focus goes there
    };
    this.clear = button("Clear filters", clear, { kind: "little" });
    this.modes = h("span", { class: "seg", role: "group", "aria-label": "Color squares by" });
    this.map = h("div", { class: "map" });
    this.sideBox = h("div", { class: "map-side" });
    this.tip = h("div", { class: "chart-tip", "aria-hidden": "true", hidden: true });
    this.spoken = h("span", { class: "visually-hidden", "aria-live": "polite" });
    this.element = h(
      "section",
      { class: "card map-card", "aria-label": "Fleet map" },
      h(
        "header",
        { class: "card-head" },
        h("h2", {}, "Fleet map"),
        this.size,
        this.clear,
        h("span", { class: "spring" }),
        this.modes,
      ),
      h("div", { class: "map-body" }, this.map, this.sideBox),
      this.tip,
      this.spoken,
    );
    this.#listen(signal);
    this.showsAll = false; // of the instances beside it
    // Reading the width in an update would force another layout of the page.
    this.width = 0;
    new ResizeObserver(() => {
      this.width = this.map.clientWidth;
      this.#choosePlace(-1); // its tip would stand beside the page
      if (this.status) this.update(this.status);
    }).observe(this.map);
  }

  // ---- building

  /** `fitting`: the keys of the nodes that the table lists; others are dim. null: all. */
  update(status, fitting = this.fitting) {
    this.status = status;
    this.fitting = fitting;
    const groups = fittingFirst(mapGroups(status), fitting);
    const signature = JSON.stringify([
      this.width,
      groups.map(({ title }) => title),
      status.nodes.map(({ key, kind }) => [key, kind]),
      instancesOf(status).map(({ name, model, nodes }) => [name, model, nodes]),
    ]);
    // Without room for one square, as while it is hidden, it is not drawn.
    if (signature !== this.built && this.width > AROUND + LABEL + PITCHES[0]) {
      this.built = signature;
      this.#build(groups);
    }
    const all = plural(status.nodes.length, "node");
    setText(this.size, fitting ? `${plain(fitting.size)} of ${all}, as filtered below` : all);
    this.clear.hidden = !fitting;
    this.#drawModes();
    this.#paint();
    this.#returnFocus();
  }

  #returnFocus() {
    const at = this.squares.findIndex(({ key }) => key === this.returnsTo);
    if (at < 0) return;
    this.returnsTo = "";
    const plot = this.map.querySelector(`[data-group="${this.squares[at].group}"]`);
    plot.focus({ preventScroll: true });
    this.#choosePlace(at);
  }

  #build(groups) {
    this.squares = [];
    this.at = -1;
    const width = this.width - AROUND;
    this.pitch = fittingPitch(groups, width);
    replace(
      this.map,
      groups.map((group, index) => [
        h("h3", {}, group.title, " ", h("span", {}, group.note)),
        this.#buildGroup(group, index, width),
      ]),
    );
  }

  #buildGroup(group, index, width) {
    const { pitch } = this;
    const size = pitch - SQUARE_GAP;
    const inRow = perRow(group, width, pitch);
    const rowHeight = pitch + ROW_GAP;
    const height = Math.ceil(group.instances.length / inRow) * rowHeight;
    // The row is as wide as the map: its gaps share what is left.
    const step = (width - LABEL - widest(group, pitch)) / Math.max(1, inRow - 1);
    const plot = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
    group.instances.forEach((instance, i) => {
      const top = Math.floor(i / inRow) * rowHeight;
      const left = LABEL + Math.round((i % inRow) * step);
      if (i % inRow === 0 && instance.id) {
        const base = top + Math.round(size / 2) + 4; // the middle of its digits is the square's
        plot.append(svg("text", { ...ROW_NUMBER, y: base }, rowLabel(instance, i)));
      }
      instance.nodes.forEach((node, n) => {
        const place = { x: left + n * pitch, y: top, size };
        const rect = svg("path", { d: squarePath(place) });
        rect.dataset.at = this.squares.length;
        plot.append(rect);
        this.squares.push({ key: node.key, rect, ...place, group: index });
      });
    });
    const shape = {
      class: "map-plot",
      tabindex: "0",
      role: "application", // it takes the arrow keys
      "aria-roledescription": "map",
      "aria-label": `${group.title}: ${group.note}. ${KEYS}`,
    };
    for (const [name, value] of Object.entries(shape)) plot.setAttribute(name, value);
    plot.dataset.group = index;
    return plot;
  }

  // ---- colours

  #drawModes() {
    const fitting = MODES.filter(
      ([id, , , value]) =>
        id === "state" || this.status.nodes.some((node) => isNumber(value(node))),
    );
    this.mode = fitting.find(([id]) => id === this.wanted) || MODES[0];
    const signature = `${fitting.map(([id]) => id).join()}|${this.mode[0]}`;
    if (this.modes.dataset.shown === signature) return;
    this.modes.dataset.shown = signature;
    replace(
      this.modes,
      fitting.map((mode) => {
        const pressed = String(mode === this.mode);
        const choose = () => this.#choose(mode[0]);
        return h("button", { type: "button", "aria-pressed": pressed, onclick: choose }, mode[1]);
      }),
    );
  }

  /** Show a figure, or the state where no node reports that figure. */
  show(mode) {
    this.wanted = mode;
    if (this.status) this.update(this.status);
  }

  #choose(mode) {
    this.show(mode);
    this.onmode(mode);
    const pressed = this.modes.querySelector("[aria-pressed=true]");
    if (pressed) pressed.focus();
  }

  #paint() {
    const [id, , unit, value, lowIsBad] = this.mode;
    const known = this.status.nodes.map(value).filter(isNumber);
    this.limits = levelLimits(known, unit);
    const counts = new Map();
    this.outliers = outlierNodes(this.status);
    for (const square of this.squares) {
      const node = store.byKey.get(square.key);
      if (!node) continue;
      const name = this.#classOf(node, id, value, lowIsBad);
      const isIn = !this.fitting || this.fitting.has(node.key);
      if (isIn) counts.set(name, (counts.get(name) || 0) + 1);
      const chosen = square === this.squares[this.at] ? " chosen" : "";
      const shown = name + (isIn ? "" : " dim") + chosen;
      if (square.shown === shown) continue;
      square.shown = shown;
      square.rect.setAttribute("class", shown);
      square.rect.setAttribute("d", squarePath(square, lookOf(name)));
    }
    this.#drawLegend(counts);
    this.#drawWorst();
  }

  #classOf(node, id, value, lowIsBad) {
    if (node.state === "down") return "sq down";
    if (id === "state" && node.state === "up" && this.outliers.has(node.key)) return "sq outlier";
    if (id === "state") return `sq ${node.state}`;
    const one = value(node);
    return isNumber(one) ? `sq level${levelOf(one, this.limits, lowIsBad)}` : "sq none";
  }

  #legendRows() {
    const [id, , unit, , lowIsBad] = this.mode;
    const down = ["sq down", "down"];
    if (id === "state") {
      const states = STATES.map((state) => [`sq ${state}`, state]);
      return [states[0], ["sq outlier", "up, outlier"], ...states.slice(1)];
    }
    const names = levelNames(this.limits, unit, lowIsBad);
    const levels = names.map((name, i) => [`sq level${i + 1}`, name]);
    return [...levels, down, ["sq none", "no value"]];
  }

  #drawLegend(counts) {
    const rows = this.#legendRows();
    const signature = JSON.stringify([rows, rows.map(([name]) => counts.get(name))]);
    if (this.sideBox.dataset.shown === signature) return;
    this.sideBox.dataset.shown = signature;
    const most = Math.max(1, ...counts.values());
    const items = rows.map(([name, text]) => {
      const count = counts.get(name) || 0;
      const bar = h("span", { class: "length" });
      bar.style.width = count ? `max(1px, ${(100 * count) / most}%)` : 0;
      return h(
        "li",
        {},
        svg(
          "svg",
          { width: 12, height: 12 },
          svg("path", { class: name, d: squarePath({ x: 1, y: 1, size: 10 }, lookOf(name)) }),
        ),
        h("span", {}, text),
        h("span", {}, bar),
        h("span", { class: "number" }, plain(count)),
      );
    });
    this.worst ||= h("ul", { class: "worst" }); // a link keeps the focus
    this.worstTitle = h("h3");
    replace(
      this.sideBox,
      h("h3", {}, `Nodes by ${within(this.mode[1])}`),
      h("ul", { class: "scale" }, items),
      this.worstTitle,
      this.worst,
    );
  }

  #drawWorst() {
    const [id, , unit, value, lowIsBad] = this.mode;
    const byState = id === "state";
    const fits = ({ nodes }) => !this.fitting || nodes.some((key) => this.fitting.has(key));
    const instances = instancesOf(this.status).filter(fits);
    const rows = byState
      ? needAttention(this.status, instances, this.showsAll)
      : firstRows(
          worstInstances(instances, value, lowIsBad).map(({ one, worst, ranks }) => [
            one.name,
            [one.nodes.length > 1 && ranks, format(worst, unit)].filter(Boolean).join(" · "),
            "",
          ]),
          WORST,
          this.showsAll,
        );
    if (byState && this.fitting && instances.length && !rows.length) {
      const nodes = this.status.nodes.filter(({ key }) => this.fitting.has(key));
      rows.push(["", `none of ${instanceWords(instances, nodes).join(" and ")}`, ""]);
    }
    this.worstTitle.hidden = !rows.length;
    setText(this.worstTitle, byState ? "Needs attention" : "Worst instances");
    const signature = JSON.stringify(rows);
    if (this.worst.dataset.shown === signature) return;
    this.worst.dataset.shown = signature;
    replace(
      this.worst,
      rows.map(([name, text, title]) =>
        name
          ? h("li", { title }, h("a", { href: instanceLink(name) }, fitted(name)), h("b", {}, text))
          : h("li", { class: "muted" }, title === MORE ? this.#more(text) : text),
      ),
    );
  }

  /** Lists all that needs attention, or the first of it again. */
  #more(text) {
    const toggle = () => {
      this.showsAll = !this.showsAll;
      this.#drawWorst();
      this.worst.querySelector("button")?.focus(); // gone, if all is well by now
    };
    return button(text, toggle, { kind: "little bare" });
  }

  // ---- pointer and keyboard

  #listen(signal) {
    const close = (event) => event.key === "Escape" && this.#choosePlace(-1);
    document.addEventListener("keydown", close, { signal });
    this.map.addEventListener("pointermove", (event) => {
      const at = event.target.dataset ? event.target.dataset.at : undefined;
      if (at === undefined) this.#choosePlace(-1);
      else this.#choosePlace(Number(at));
    });
    this.map.addEventListener("pointerleave", () => this.#choosePlace(-1));
    this.map.addEventListener("click", () => this.#open());
    this.map.addEventListener("focusout", () => this.#choosePlace(-1));
    this.map.addEventListener("keydown", (event) => this.#key(event));
  }

  #open() {
    const square = this.squares[this.at];
    if (!square) return;
    opened = square.key;
    location.hash = nodeLink({ key: square.key });
  }

  #key(event) {
    const plot = event.target.closest(".map-plot");
    if (!plot) return;
    const group = Number(plot.dataset.group);
    const inside = this.squares.filter((square) => square.group === group);
    const now = inside.indexOf(this.squares[this.at]);
    const next = nextSquare(inside, now, event.key);
    if (event.key === "Enter") this.#open();
    if (next < 0) return;
    event.preventDefault();
    this.#choosePlace(this.squares.indexOf(inside[next]));
    const place = `${plain(next + 1)} of ${plain(inside.length)}`;
    setText(this.spoken, [...this.#words(store.byKey.get(inside[next].key)), place].join(", "));
  }

  #words(node) {
    const [id, label, unit, value] = this.mode;
    const one = value(node);
    const figure = id === "state" ? "" : `${label} ${isNumber(one) ? format(one, unit) : NONE}`;
    const far = this.#outlierWords(node);
    return [node.key, figure, node.error || node.state, far].filter(Boolean);
  }

  /** "outlier: Hit rate 33.1%, 0.42× the median of its model (78.6%)" */
  #outlierWords(node) {
    const outlier = this.outliers.get(node.key);
    return outlier ? `outlier: ${outlierText(outlier)}` : "";
  }

  #choosePlace(at) {
    if (at === this.at) return;
    const old = this.squares[this.at];
    if (old) old.rect.classList.remove("chosen");
    this.at = at;
    const square = this.squares[at];
    const node = square && store.byKey.get(square.key);
    this.tip.hidden = !node;
    if (!node) return;
    square.rect.classList.add("chosen");
    square.rect.parentNode.append(square.rect); // its outline is over the squares beside it
    this.#drawTip(square, node);
  }

  #drawTip(square, node) {
    const [id, label, unit, value] = this.mode;
    const one = value(node);
    replace(
      this.tip,
      h("b", {}, node.key),
      id === "state"
        ? null
        : h(
            "div",
            { class: "tip-row" },
            h("span", {}, label),
            h("b", {}, isNumber(one) ? format(one, unit) : NONE),
          ),
      h("div", { class: "muted" }, node.error || node.state),
      h("div", { class: "muted far" }, this.#outlierWords(node)),
    );
    const box = this.element.getBoundingClientRect();
    const place = square.rect.getBoundingClientRect();
    const left = Math.min(place.left - box.left, box.width - this.tip.offsetWidth - 8);
    const top = place.bottom - box.top + 6;
    this.tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}

/**
 * The instances that are not up, the worst first, those with alerts, then those far from the others
 * of their model: [name, "1 of 5 down", more]; of many the first, and MORE, unless `isWhole`.
 */
function needAttention(status, instances, isWhole) {
  const nodesOf = (one) => one.nodes.map((key) => store.byKey.get(key)).filter(Boolean);
  const rank = (one) => stateRank(one.state, nodesOf(one));
  const count = (one) => nodesOf(one).filter((node) => node.state === one.state).length;
  const isBad = (one) => one.state === "down" || one.state === "degraded";
  const bad = instances
    .filter(isBad)
    .sort((a, b) => rank(a) - rank(b) || byName(a.name, b.name))
    .map((one) => [one.name, `${count(one)} of ${one.nodes.length} ${one.state}`, ""]);
  const alerts = new Map(
    instances.map((one) => [one, !isBad(one) && alertsOn(status, [one.name, ...one.nodes])]),
  );
  const alerted = instances
    .filter((one) => alerts.get(one))
    .map((one) => [one.name, alerts.get(one).text, alerts.get(one).title]);
  const outliers = outliersIn(status);
  const far = instances
    .filter((one) => outliers.has(one.name) && !isBad(one) && !alerts.get(one))
    .sort((a, b) => farness(outliers.get(b.name)) - farness(outliers.get(a.name)))
    .map((one) => {
      const outlier = outliers.get(one.name);
      return [one.name, outlierFigure(outlier), outlierText(outlier)];
    });
  if (far.length) far.unshift(["", "against the median of its model", ""]);
  return firstRows([...bad, ...alerted, ...far], MOST_NAMED, isWhole);
}

/** The first of many rows, and MORE; all of them if `isWhole`. */
function firstRows(all, most, isWhole) {
  if (all.length <= most + 1) return all;
  if (isWhole) return [...all, ["", "Show fewer", MORE]];
  const shown = all.slice(0, most);
  if (!shown[most - 1][0]) shown.pop(); // a heading over nothing
  const named = (rows) => rows.filter(([name]) => name).length;
  return [...shown, ["", `and ${plain(named(all) - named(shown))} more`, MORE]];
}

/** How far a value is from its median, as a factor: half of it is as far as twice as much. */
function farness({ value, median }) {
  const [low, high] = [Math.min(value, median), Math.max(value, median)];
  return low > 0 ? high / low : Infinity;
}

/** How the square of a class is drawn. */
const lookOf = (name) => (/ (down|outlier)$/.exec(name) || [])[1];

/** The nodes of instances that are far from the median of their model: key -> the outlier. */
function outlierNodes(status) {
  const instances = instancesOf(status);
  const outliers = outliersIn(status);
  const far = instances.filter((one) => outliers.has(one.name));
  return new Map(far.flatMap((one) => one.nodes.map((key) => [key, outliers.get(one.name)])));
}

/** The instances whose worst rank is the worst, for a figure; `ranks` are as bad, or nearly. */
function worstInstances(instances, value, lowIsBad) {
  return instances
    .map((one) => {
      const nodes = one.nodes.map((key) => store.byKey.get(key)).filter(Boolean);
      const known = nodes.map(value).filter(isNumber);
      const worst = lowIsBad ? Math.min(...known) : Math.max(...known);
      const alike = known.filter((one) => Math.abs(one - worst) <= worst * NEAR).length;
      const rank = known.length && rankOf(nodes.find((node) => value(node) === worst));
      return { one, worst, ranks: rank && alike > 1 ? `${alike} ranks` : rank };
    })
    .filter(({ worst }) => isNumber(worst))
    .sort((a, b) => (lowIsBad ? a.worst - b.worst : b.worst - a.worst));
}

/** Where a key leads from a square: an index, or -1 when it leads nowhere. */
function nextSquare(squares, now, key) {
  const last = squares.length - 1;
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (key === "ArrowRight") return Math.min(last, now + 1);
  if (key === "ArrowLeft") return now < 0 ? last : Math.max(0, now - 1);
  const rows = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!rows) return -1;
  if (now < 0) return 0;
  const { x, y } = squares[now];
  const beyond = squares.filter((one) => (rows > 0 ? one.y > y : one.y < y));
  if (!beyond.length) return now;
  const row =
    rows > 0 ? Math.min(...beyond.map((one) => one.y)) : Math.max(...beyond.map((one) => one.y));
  const inRow = beyond.filter((one) => one.y === row);
  const best = inRow.reduce((a, b) => (Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a));
  return squares.indexOf(best);
}
