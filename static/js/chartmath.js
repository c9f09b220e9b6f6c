// The arithmetic of charts: axes, paths, stacks, changes. Pure functions, no DOM.

const RATIO_UNIT = "ratio";
const TIME_STEPS = [
  1, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800,
  604800,
];
const LABEL_ROOM = 64; // px between two labels of the time axis
const SECONDS_LABEL_ROOM = 80; // px, where labels show seconds
const MOST_TIME_LABELS = 8;

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

const STEP_SIZES = [1, 2, 2.5, 5, 10]; // times a power of ten

/**
 * Round steps for a value axis: about `count` of them, from at or below `low` to at or above
 * `high`; whole numbers where there are no others.
 */
export function valueTicks(low, high, count = 4, whole = false) {
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const all = STEP_SIZES.map((factor) => factor * power);
  const sizes = whole ? [1, ...all].filter(Number.isInteger) : all;
  const step = sizes.find((size) => span / size <= count + 0.01) || 10 * power;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

const FIVE_A_MINUTE = 5 / 60;

/**
 * The values between which an axis runs: a ratio from 0 to 1, others from 0 (or below) to their
 * highest.
 */
export function axisRange(low, high, unit) {
  if (unit === RATIO_UNIT) return [0, Math.max(1, high)];
  if (high > 0) return [Math.min(0, low), high];
  if (low < 0) return [low, 0];
  return [0, ["1/s", "1/min"].includes(unit) ? FIVE_A_MINUTE : 1];
}

/** Times for the labels of an axis `width` px wide, and their step in seconds: {ticks, step}. */
export function timeTicks(start, end, width) {
  const room = (size) => (size / (end - start)) * width;
  const least = (size) =>
    Math.max(size < 60 ? SECONDS_LABEL_ROOM : LABEL_ROOM, width / MOST_TIME_LABELS);
  const longest = TIME_STEPS[TIME_STEPS.length - 1];
  const step = TIME_STEPS.find((size) => room(size) >= least(size)) || longest;
  const shift = new Date(start * 1000).getTimezoneOffset() * 60;
  const ticks = [];
  const first = Math.ceil((start - shift) / step) * step + shift;
  for (let time = first; time <= end; time += step) ticks.push(time);
  return { ticks, step };
}

/** Indexes of the lowest and the highest value of each pixel, and of every gap. */
function thinIndexes(times, values, start, end, pixels) {
  const kept = [];
  let slot = null;
  let low = 0;
  let high = 0;
  const close = () => {
    if (slot !== null) kept.push(...new Set([Math.min(low, high), Math.max(low, high)]));
    slot = null;
  };
  values.forEach((value, i) => {
    if (!isNumber(value)) {
      close();
      kept.push(i);
      return;
    }
    const here = Math.floor(((times[i] - start) / (end - start || 1)) * pixels);
    if (here !== slot) {
      close();
      slot = here;
      low = high = i;
    }
    if (value < values[low]) low = i;
    if (value >= values[high]) high = i;
  });
  close();
  return kept;
}

/** The lowest and the highest value of each pixel when there are many more points than pixels. */
export function thinned(times, values, start, end, pixels) {
  if (values.length <= pixels * 3) return [times, values];
  const kept = thinIndexes(times, values, start, end, pixels);
  return [kept.map((i) => times[i]), kept.map((i) => values[i])];
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

export const GAP = 3.5; // common steps without a value that break a line
const COMMON = 0.95; // of the spacings are at most the common one

/** The common time between two values, seconds: old values may be further apart than new ones. */
export function spacing(times) {
  if (times.length < 3) return 0;
  const steps = times.slice(1).map((time, i) => time - times[i]);
  return steps.sort((a, b) => a - b)[Math.floor((steps.length - 1) * COMMON)];
}

const MISSED = 1.8; // times the median interval nearby, beyond which an interval is a gap
const AGAIN = 0.2; // seconds; of values that are closer, only the last is kept
const NEAR = 4; // intervals before and after that the median covers

/**
 * A series without the gaps that are no longer than the intervals near them, so that a slow node,
 * which responds to every second or third poll, has a line too.
 */
export function answered({ times, values }) {
  const isAgain = (i) => times[i + 1] - times[i] < AGAIN && isNumber(values[i + 1]);
  const rows = times.map((_, i) => i).filter((i) => !isAgain(i));
  const known = rows.filter((i) => isNumber(values[i]));
  const steps = known.slice(1).map((at, i) => times[at] - times[known[i]]);
  const typical = (i) =>
    middleOf([...steps.slice(Math.max(0, i - NEAR), i), ...steps.slice(i + 1, i + 1 + NEAR)]);
  const next = new Map(known.slice(1).map((at, i) => [at, i]));
  let waiting = [];
  const kept = [];
  for (const at of rows) {
    if (!isNumber(values[at])) waiting.push(at);
    else {
      const i = next.get(at);
      const isShort = waiting.length > 0 && steps[i] <= MISSED * typical(i);
      kept.push(...(isShort ? [] : waiting), at);
      waiting = [];
    }
  }
  kept.push(...waiting);
  return { times: kept.map((i) => times[i]), values: kept.map((i) => values[i]) };
}

/**
 * A series with one value a step where it has several, so that a line does not look different where
 * it was measured more often: their mean, or what `combine` makes of them. The last one stays as it
 * is, if not `toTheEnd`, which puts together even a few that are dense.
 */
export function evened({ times, values }, step, toTheEnd = false, combine = mean) {
  const last = times.length - 1;
  const alone = toTheEnd ? -1 : last;
  const slotOf = (i) => Math.floor(times[i] / step);
  const isDense = toTheEnd || last >= (2 * (times[last] - times[0])) / step;
  if (step <= 0 || !isDense) return { times, values };
  const rows = [];
  times.forEach((time, i) => {
    if (i > 0 && i !== alone && slotOf(i) === slotOf(i - 1)) rows[rows.length - 1].push(i);
    else rows.push([i]);
  });
  const one = (row) => {
    const known = row.map((i) => values[i]).filter(isNumber);
    return known.length ? combine(known) : null;
  };
  return { times: rows.map((row) => times[row[0]]), values: rows.map(one) };
}

/** Rows up to `end`; where they go on beyond it, the last one holds until then. */
function cutAt(rows, end, longest) {
  const kept = rows.filter(({ time }) => time <= end);
  const [last, next] = [kept[kept.length - 1], rows[kept.length]];
  const goesOn = last && next && last.isKnown && next.isKnown && next.time - last.time <= longest;
  return goesOn && last.time < end ? [...kept, { ...last, time: end }] : kept;
}

/** Rows of which the last one before a stop holds until then, if that is within its step. */
function heldAt(rows, stop, step) {
  const at = rows.findLastIndex(({ time, isKnown }) => isKnown && time <= stop);
  if (at < 0 || rows[at].time === stop || stop - rows[at].time > step) return rows;
  if (rows[at + 1] && rows[at + 1].isKnown) return rows;
  const later = rows.slice(at + 1).filter(({ time }) => time > stop);
  const gap = { time: stop, index: -1, isKnown: false };
  return [...rows.slice(0, at + 1), { ...rows[at], time: stop }, gap, ...later];
}

/**
 * Series of the same times that reach what ends them: a value holds for its step. `stops` are when
 * outages began, `end` is the end of the range, `step` the seconds that a value stands for, and
 * `longest` those between two values without a gap.
 */
export function held(series, { stops, end, step, longest }) {
  const [{ times }] = series;
  if (!stops.length && !(times[times.length - 1] > end)) return series;
  if (series.some((one) => one.times.length !== times.length)) return series;
  const isKnown = (index) => series.some(({ values }) => isNumber(values[index]));
  let rows = times.map((time, index) => ({ time, index, isKnown: isKnown(index) }));
  rows = cutAt(rows, end, longest);
  for (const stop of stops) if (stop < end) rows = heldAt(rows, stop, step);
  return series.map((one) => ({
    ...one,
    times: rows.map(({ time }) => time),
    values: rows.map(({ index }) => one.values[index] ?? null),
  }));
}

const tenth = (value) => Math.round(value * 10) / 10;

/**
 * Whether the step to that point is a gap: longer than `gap`, and than three steps beside it (older
 * points of a series may be further apart).
 */
export function isGap(times, i, gap) {
  const step = times[i] - times[i - 1];
  if (!gap || step <= gap || times.length === 2) return false;
  const before = i > 1 ? times[i - 1] - times[i - 2] : 0;
  const after = i + 1 < times.length ? times[i + 1] - times[i] : 0;
  return step > 3 * Math.max(before, after);
}

/** Runs of points without a gap between them: [[[x, y], ...], ...] in px. */
function runs(times, values, x, y, gap) {
  const found = [];
  let last = null;
  values.forEach((value, i) => {
    if (!isNumber(value)) {
      last = null;
      return;
    }
    if (last === null || isGap(times, i, gap)) found.push([]);
    found[found.length - 1].push([tenth(x(times[i])), tenth(y(value, i))]);
    last = times[i];
  });
  return found;
}

const joined = (points) => points.map(([px, py], i) => `${i ? "L" : "M"}${px} ${py}`).join("");
const stepped = (points) =>
  points.map(([px, py], i) => (i ? `H${px}V${py}` : `M${px} ${py}`)).join("");

/** Path data with a gap wherever a value is missing; a point between two gaps is still seen. */
export function linePath(times, values, x, y, gap, steps = false) {
  const path = steps ? stepped : joined;
  return runs(times, values, x, y, gap)
    .map((points) => path(points) + (points.length === 1 ? "h0.01" : ""))
    .join("");
}

/** The points that have a gap, or nothing, on both sides: [[x, y], ...] in px. */
export const lonePoints = (times, values, x, y, gap) =>
  runs(times, values, x, y, gap)
    .filter((points) => points.length === 1)
    .flat();

/** Path data of the area between two rows of values over the same times. */
export function areaPath(times, upper, lower, x, y, gap) {
  const tops = runs(times, upper, x, y, gap);
  const floors = runs(
    times,
    upper.map((value, i) => (isNumber(value) ? lower[i] : null)),
    x,
    y,
    gap,
  );
  return tops
    .map((points, i) => `${joined(points)}${joined(floors[i].reverse()).replace("M", "L")}Z`)
    .join("");
}

/**
 * Series on top of each other: [{lower, upper}] for each. A time with no value in any series is a
 * gap.
 */
export function stacked(series) {
  const length = series.length ? series[0].values.length : 0;
  let below = Array.from({ length }, () => 0);
  const gaps = below.map((_, i) => series.every(({ values }) => !isNumber(values[i])));
  return series.map(({ values }) => {
    const lower = below;
    const upper = lower.map((base, i) =>
      gaps[i] ? null : base + (isNumber(values[i]) ? Math.max(0, values[i]) : 0),
    );
    below = upper.map((value) => value ?? 0);
    return { lower, upper };
  });
}

/** The sum of series at each of their times: {times, values}; null where none has a value. */
export function summed(series) {
  const sums = new Map();
  for (const { times, values } of series)
    values.forEach((value, i) => {
      const before = sums.get(times[i]) ?? null;
      sums.set(times[i], isNumber(value) ? (before ?? 0) + value : before);
    });
  const times = [...sums.keys()].sort((a, b) => a - b);
  return { times, values: times.map((time) => sums.get(time)) };
}

/**
 * The spans of the bars at these times, [from, to] in seconds: each reaches half way to the times
 * beside it, but not into an outage. One time alone has `lone` seconds.
 */
function barSpans(times, lone) {
  const steps = times.slice(1).map((time, i) => time - times[i]);
  return times.map((time, i) => {
    const earlier = middleOf(steps.slice(Math.max(0, i - 1 - NEAR), Math.max(0, i - 1)));
    const later = middleOf(steps.slice(i, i + NEAR));
    const common = Math.max(earlier ?? 0, later ?? 0);
    const before = steps[i - 1] ?? Infinity;
    const step = before <= MISSED * common ? before : (later ?? earlier ?? lone);
    const after = Math.min(step, steps[i] ?? Infinity);
    return [time - Math.min(step, before) / 2, time + after / 2];
  });
}

/**
 * For how many seconds values are put together so that bars are about `least` seconds apart: whole
 * steps of theirs, or one bar would be the mean of two and the place beside it empty. 0: for none.
 */
function barStep(times, least) {
  const steps = times.slice(1).map((time, i) => time - times[i]);
  const near = steps.filter((step) => step < least).sort((a, b) => a - b);
  const step = near[Math.floor(near.length / 2)];
  const count = near.length ? Math.round(least / step) : 1;
  return count > 1 ? count * step : 0;
}

/**
 * Bars, those of one time on top of each other: [{time, from, to, parts: [{index, lower, upper}]}];
 * `index` is that of the series. They are about `least` seconds apart at least; one value alone has
 * a bar of `lone` seconds. None is 0 high.
 */
export function barStacks(series, least, lone) {
  const bars = series.flatMap(({ times: all, values: told }, index) => {
    const known = told.map((_, i) => i).filter((i) => isNumber(told[i]));
    const points = { times: known.map((i) => all[i]), values: known.map((i) => told[i]) };
    const { times, values } = evened(points, barStep(points.times, least), true);
    const spans = barSpans(times, lone);
    const found = values.map((value, i) => ({ index, time: times[i], value, span: spans[i] }));
    return found.filter(({ value }) => value > 0);
  });
  bars.sort((a, b) => a.time - b.time || a.index - b.index);
  const stacks = [];
  for (const { index, time, value, span } of bars) {
    const last = stacks[stacks.length - 1];
    const isBeside = last && (time === last.time || time < last.to);
    if (isBeside && last.parts.every((part) => part.index !== index)) {
      const { upper } = last.parts[last.parts.length - 1];
      last.parts.push({ index, lower: upper, upper: upper + value });
    } else {
      const [from, to] = span;
      stacks.push({ time, from, to, parts: [{ index, lower: 0, upper: value }] });
    }
  }
  return stacks;
}

/**
 * The lowest and the highest of the values between two times; [Infinity, -Infinity] without any.
 */
export function extremes(series, start, end) {
  let low = Infinity;
  let high = -Infinity;
  for (const { times, values } of series)
    values.forEach((value, i) => {
      if (!isNumber(value) || times[i] < start || times[i] > end) return;
      if (value < low) low = value;
      if (value > high) high = value;
    });
  return [low, high];
}

/** The last value up to a time, or null. */
export function lastValue({ times, values }, until = Infinity) {
  for (let i = values.length - 1; i >= 0; i -= 1)
    if (times[i] <= until && isNumber(values[i])) return values[i];
  return null;
}

/** When that was. */
export function lastTime({ times, values }, until = Infinity) {
  const at = lastIndex({ times, values }, -Infinity, until);
  return at < 0 ? -Infinity : times[at];
}

/**
 * The points of a line that ends with the current value. Within a step of the last point, which is
 * a mean since the step began, the value replaces that point; later it is a point at `end`. With
 * null, nothing is reported now: the point at `end` is a gap, so that layers share their times.
 */
export function endingWith(now, { times, values }, end, step) {
  if (now === undefined || !times.length) return { times, values };
  const last = times[times.length - 1];
  if (end - last >= step) return { times: [...times, end], values: [...values, now] };
  return { times, values: isNumber(now) ? [...values.slice(0, -1), now] : values };
}

/** Index of the last value between two times, or -1. */
export function lastIndex({ times, values }, start, end) {
  for (let i = values.length - 1; i >= 0; i -= 1)
    if (times[i] >= start && times[i] <= end && isNumber(values[i])) return i;
  return -1;
}

export const ENDED = 3; // steps after which a history has ended before the present

/** Where the charts of a history end: with its last values, or `now` if these are long past. */
export const endOf = ({ end, interval }, now) => (end && now - end <= ENDED * interval ? end : now);

const LEAST_SPAN = 120; // seconds

/** When these series begin: rates have no value in the first round of a history. */
export function firstTime(series, end) {
  const isKnown = (round) => series.some(({ values }) => isNumber(values[round]));
  const first = !isKnown(0) && isKnown(1) ? 1 : 0;
  const known = series.filter((one) => one.times.length > first);
  return Math.min(end, ...known.map((one) => one.times[first]));
}

/** Where a chart begins: at the wanted time, or with the first value when there is less. */
export function startOf(series, end, seconds) {
  return Math.min(Math.max(end - seconds, firstTime(series, end)), end - LEAST_SPAN);
}

/** The range of a sparkline: a ratio from 0 to 1, others from 0, so that noise stays small. */
export function sparkRange(values, unit) {
  const known = (values || []).filter(isNumber);
  if (!known.length) return [0, 1];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  if (unit === RATIO_UNIT) return [0, Math.max(1, high)];
  return high > 0 ? [Math.min(0, low), high] : [low, low < 0 ? 0 : 1];
}

/**
 * The last value of a series, which stands beside it, and the mean of its first third:
 * {now, before}; null without enough values.
 */
export function change(values) {
  const third = Math.floor((values || []).length / 3);
  if (third < 1) return null;
  const before = values.slice(0, third).filter(isNumber);
  const now = values.filter(isNumber).pop();
  return before.length ? { before: mean(before), now } : null;
}

const LEAST_POINTS = 0.005; // 0.5 percentage points
const LEAST_SHARE = 0.01;
const LARGE_POINTS = 0.1;
const LARGE_SHARE = 0.25;
const TIMES_FROM = 2; // from twice the value on it is shown as a factor

/**
 * How a figure moved, to be put in words: null when it hardly did, else {up, large, points} for
 * ratios, or {up, large, share}, {up, large, times} or {up, large, fromZero}.
 */
export function movement(values, unit) {
  const moved = change(values);
  if (!moved) return null;
  const { before, now } = moved;
  const up = now > before;
  if (unit === RATIO_UNIT) {
    const points = Math.abs(now - before);
    return points < LEAST_POINTS ? null : { up, large: points >= LARGE_POINTS, points };
  }
  if (before === 0) return now === 0 ? null : { up, large: true, fromZero: true };
  const share = Math.abs(now / before - 1);
  if (share < LEAST_SHARE) return null;
  if (now / before >= TIMES_FROM) return { up, large: true, times: now / before };
  return { up, large: share >= LARGE_SHARE, share };
}

/**
 * Values averaged into `count` slots of equal length, for small graphs. A slot between two values
 * that follow one another is no gap.
 */
export function slots(times, values, start, end, count) {
  const sums = Array.from({ length: count }, () => [0, 0]);
  const slotOf = (time) =>
    Math.min(count - 1, Math.floor(((time - start) / (end - start || 1)) * count));
  const add = (at, value) => {
    sums[at][0] += value;
    sums[at][1] += 1;
  };
  const gap = GAP * spacing(times);
  values.forEach((value, i) => {
    if (!isNumber(value) || times[i] < start || times[i] > end) return;
    const at = slotOf(times[i]);
    add(at, value);
    const before = values[i - 1];
    if (!isNumber(before) || times[i - 1] < start || isGap(times, i, gap)) return;
    for (let between = slotOf(times[i - 1]) + 1; between < at; between += 1)
      add(between, (before + value) / 2);
  });
  return sums.map(([sum, number]) => (number ? sum / number : null));
}

// ---- the row of signs of marks above a plot

const MARK_RANKS = ["critical", "other", "restart", "change", "alert", "resolved", "action"];
const SIGN = 6; // px from the middle of a sign to its end
const ASIDE = 13; // px from a sign to one that it pushes aside
const OVER = 3; // px at least that a number reaches beyond the line that it stands over
// What the place of a number costs: by the square of its distance, px; by that of the count of
// signs that it hides; for a critical alert among them; on the left of what it counts.
const [AWAY, HIDING, HIDING_CRITICAL, BEFORE] = [1 / 30, 10, 150, 170];
const rank = ({ kind, critical }) => MARK_RANKS.indexOf(critical ? "critical" : kind);
const byRank = (a, b) => rank(a) - rank(b) || a.px - b.px;
const isCause = ({ kind }) => ["change", "restart", "action"].includes(kind);
const areApart = (one, other) => one.right <= other.left || one.left >= other.right;
const signAt = (mark, px) => ({ marks: [mark], px, left: px - SIGN, right: px + SIGN });

/**
 * The sign of a mark beside the one at its line, or null. Only a cause and its effect stand so, and
 * none over the line of another mark.
 */
function signAside(mark, { px, marks: [other] }, marks, width) {
  const isPair = isCause(other) !== isCause(mark) && mark.kind !== "resolved";
  if (!isPair && (mark.kind !== "change" || other.kind === "change")) return null;
  const isBefore = mark.px < px || px + ASIDE + SIGN > width;
  const sign = signAt(mark, px + (isBefore ? -ASIDE : ASIDE));
  const isOver = (one) => one !== mark && one.px > sign.left && one.px < sign.right;
  return marks.some(isOver) ? null : sign;
}

/** The signs of those marks for which there is room, the gravest first. */
function signsOf(marks, width) {
  const signs = [];
  for (const mark of [...marks].sort(byRank)) {
    const own = signAt(mark, mark.px);
    const near = signs.filter((one) => !areApart(one, own));
    const sign = near.length ? signAside(mark, near[0], marks, width) : own;
    if (sign && signs.every((one) => areApart(one, sign))) signs.push(sign);
  }
  return signs;
}

/** The best place in a row for a number of some length that counts marks from `first` on. */
function numberPlace(first, length, row, width) {
  const own = signAt(first, first.px);
  const isGraver = ({ marks: [mark] }) => mark.critical && !first.critical;
  // Other signs are hidden rather than one before the first mark, or in the way of its own sign.
  const weight = (one) => (one.px <= first.px ? 5 : areApart(one, own) ? 1 : 2);
  const costOf = (hidden) => {
    if (hidden.some(({ px }) => px === undefined)) return Infinity; // a number
    const count = hidden.reduce((sum, one) => sum + weight(one), 0);
    return HIDING * count ** 2 + HIDING_CRITICAL * hidden.filter(isGraver).length;
  };
  const over = Math.min(first.px - length / 2, width - length);
  const places = [over, ...row.flatMap(({ left, right }) => [right, left - length])]
    .filter((left) => left >= 0 && left + length <= width)
    .map((left) => {
      const place = { left, right: left + length };
      const hidden = row.filter((one) => !areApart(one, place));
      const before = place.right < first.px + OVER ? BEFORE : 0;
      const away = AWAY * (left + length / 2 - first.px) ** 2;
      return { ...place, cost: away + before + costOf(hidden) };
    });
  const [best] = places.sort((a, b) => a.cost - b.cost);
  return best && best.cost < Infinity ? best : null;
}

/** The number of the first of the marks that are not in a row yet; null without any place. */
function numberOf(rest, row, width, lengthOf, count = 1) {
  const [first] = rest;
  const place = numberPlace(first, lengthOf(count), row, width);
  if (!place) return null;
  const { left, right } = place;
  const isShown = (one) => areApart(one, place);
  const hidden = row.filter((one) => !isShown(one)).flatMap(({ marks }) => marks);
  const isNext = ({ px }) => px > Math.max(left, first.px + OVER);
  const next = row.filter((one) => isShown(one) && isNext(one));
  const until = Math.min(...next.map(({ px }) => px)) - OVER;
  const marks = [...rest, ...hidden].filter(({ px }) => px < until).sort(byRank);
  const isLonger = lengthOf(marks.length) > lengthOf(count);
  return isLonger ? numberOf(rest, row, width, lengthOf, marks.length) : { marks, left, right };
}

/**
 * The row of signs of marks ({kind, critical, px}), `width` px wide: [{marks, px, left, right}].
 * What has no `px` is a number, `lengthOf(count)` px long, of marks without a sign. It stands over
 * the first of them or on its right, and hides a sign, which it counts, rather than stand far off.
 */
export function markRow(marks, width, lengthOf) {
  const inOrder = [...marks].sort((a, b) => a.px - b.px);
  let row = signsOf(marks, width);
  for (;;) {
    const shown = new Set(row.flatMap((one) => one.marks));
    const rest = inOrder.filter((mark) => !shown.has(mark));
    const number = rest.length && numberOf(rest, row, width, lengthOf);
    if (!number) return row;
    row = [...row.filter((one) => areApart(one, number)), number];
  }
}

/** The widest part of an axis, from `left` to `right` px, in which none of these places is. */
export function widestGap(left, right, places) {
  const inside = places.filter((px) => px > left && px < right).sort((a, b) => a - b);
  const edges = [left, ...inside, right];
  const gaps = edges.slice(1).map((to, i) => [edges[i], to]);
  return gaps.reduce((widest, gap) => (gap[1] - gap[0] > widest[1] - widest[0] ? gap : widest));
}

/**
 * The down times among marks as spans that do not overlap: {time, until, partly, other}. Those of
 * many nodes would be opaque above each other.
 */
export function downSpans(marks, end) {
  const spans = [];
  const latest = new Map(); // how a span looks -> the last of that look
  const downs = marks.filter(({ kind }) => kind === "down").sort((a, b) => a.time - b.time);
  for (const { time, until, partly } of downs) {
    const look = Boolean(partly);
    const span = latest.get(look);
    if (span && time <= span.until) span.until = Math.max(span.until, until ?? end);
    else {
      spans.push({ time, until: until ?? end, partly });
      latest.set(look, spans[spans.length - 1]);
    }
  }
  return spans;
}

// ---- instances that differ from others of their kind ----

const LEAST_PEERS = 5; // instances of a model; fewer have no median worth the name

// Seconds since the start of the frontend, before which a p99 is one of a few requests.
const LEAST_UPTIME = 90;

/** In what instances of one model are alike: [figure, whether a value is too far, since]. */
const ALIKE = [
  ["lookup_hit_rate", (value, middle) => value < middle / 2, 0],
  ["retrieve_p99", (value, middle) => value > 3 * middle, LEAST_UPTIME],
];

const middleOf = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * The instances that are far from the median of their model: name -> {figure, value,
 * median}. It compares and needs no history, as an alert does. ``uptime``: the frontend's, seconds.
 */
export function outliersOf(instances, uptime = Infinity) {
  const models = new Map();
  for (const one of instances) {
    if (!one.model) continue;
    const kind = `${one.kinds.includes("mp")} ${one.model}`;
    if (models.has(kind)) models.get(kind).push(one);
    else models.set(kind, [one]);
  }
  const found = new Map();
  for (const peers of models.values())
    for (const [figure, isFar, since] of ALIKE) {
      const valueOf = (one) => one.metrics[figure];
      const known = peers.filter((one) => isNumber(valueOf(one)));
      if (known.length < LEAST_PEERS || uptime < since) continue;
      const median = middleOf(known.map(valueOf));
      for (const one of known)
        if (isFar(valueOf(one), median) && !found.has(one.name))
          found.set(one.name, { figure, value: valueOf(one), median });
    }
  return found;
}
