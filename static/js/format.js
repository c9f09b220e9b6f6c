// Numbers with units, times in the viewer's zone, names that fit.

export const NONE = "–";

// Numbers and times of day are put together by hand and what needs Intl is made when it is first
// used: the browser reads its tables of all languages then, which costs a new page 20 ms or more.
function lazily(make) {
  let made = null;
  return () => made || (made = make());
}

/** Thousands apart by commas. */
function separated(digits) {
  const [whole, ...part] = digits.split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...part].join(".");
}

function fixed(value, digits) {
  return separated(value.toFixed(digits));
}

/** About three significant figures: 1.23, 12.3, 123. */
export function figures(value) {
  const size = Math.abs(value);
  return fixed(
    value,
    value === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.0995 ? 2 : 3,
  );
}

const WHOLE = 1e-6; // a value that is so near to a whole number is one

function scaled(value, step, units) {
  let index = 0;
  let size = value;
  while (Math.abs(size) >= step * 0.9995 && index < units.length - 1) {
    size /= step;
    index += 1;
  }
  const whole = Math.abs(size - Math.round(size)) < WHOLE;
  return [index === 0 && whole ? fixed(size, 0) : figures(size), units[index]];
}

/** A number with k, M or G for the thousands: "29.7k". */
const shortened = (value) => scaled(value, 1000, ["", "k", "M", "G"]).join("");

/** A few times a minute need no third figure. */
function perMinute(value) {
  const size = Math.abs(value);
  if (size >= 999.5) return shortened(value);
  return String(Number(value.toFixed(size >= 10 ? 0 : size >= 0.1 ? 1 : 2)));
}

/** Whether a rate is told per minute. */
const isSlow = (value, unit) => Math.abs(value) < (unit === "1/min" ? 9.995 : 0.9995);

const UNITS = {
  bytes: (value) => scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]),
  seconds: (value) => {
    const size = Math.abs(value);
    if (size === 0) return ["0", "s"];
    if (size < 0.9995e-3) return [figures(value * 1e6), "µs"];
    if (size < 0.9995) return [figures(value * 1e3), "ms"];
    if (size < 120) return [figures(value), "s"];
    return [duration(value), ""];
  },
  ratio: (value) => {
    const size = Math.abs(value * 100);
    if (size > 0 && size < 0.001) return ["< 0.001", "%"];
    return [fixed(value * 100, size >= 99.95 || size === 0 ? 0 : size < 0.05 ? 3 : 1), "%"];
  },
  "tokens/s": (value) => [shortened(value), "tok/s"],
  // Rates below one per second are told per minute.
  "1/s": (value, beside) =>
    isSlow(beside, "1/s") ? [perMinute(value * 60), "/min"] : [shortened(value), "/s"],
  "1/min": (value, beside) =>
    isSlow(beside, "1/min") ? [perMinute(value * 60), "/min"] : [shortened(value), "/s"],
  "bytes/s": (value) => {
    const [text, unit] = UNITS.bytes(value);
    return [text, unit + "/s"];
  },
  tokens: (value) => [shortened(value), "tok"],
  count: (value) => [shortened(value), ""],
  GPUs: (value) => [shortened(value), value === 1 ? "GPU" : "GPUs"],
  // Things are counted whole, also where a figure is their mean over a minute.
  things: (value) => [value > 0 && value < 0.5 ? "< 1" : shortened(Math.round(value)), ""],
  bool: (value) => [value ? "yes" : "no", ""],
};

/**
 * [figures, unit] of a value, to be styled apart; a rate takes the unit of the value `beside` it.
 */
export function parts(value, unit, beside = value) {
  if (value === null || value === undefined || Number.isNaN(value)) return [NONE, ""];
  if (!Number.isFinite(value)) return [value > 0 ? "∞" : "−∞", ""];
  return (UNITS[unit] || UNITS.count)(value, beside ?? value);
}

/** A value with its unit as one text; a no-break space keeps them together. */
export const format = (value, unit, beside = value) => together(parts(value, unit, beside));

function together([text, wide]) {
  const mark = wide.trim();
  if (mark === "") return text;
  return mark === "%" || wide.startsWith("/") ? text + mark : `${text}\u00a0${mark}`;
}

// Unit of an axis -> the steps its labels may be told in: [size, name].
const METRIC_STEPS = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
  [1, ""],
];
const AXIS_STEPS = {
  seconds: [
    [3600, "h"],
    [60, "min"],
    [1, "s"],
    [1e-3, "ms"],
    [1e-6, "µs"],
  ],
  bytes: ["PiB", "TiB", "GiB", "MiB", "KiB", "B"].map((name, i) => [1024 ** (5 - i), name]),
};
const LONG_AXIS = 300; // seconds: from here on an axis is in minutes

/**
 * The unit that all labels of an axis share: [size, name, whether only the highest label carries
 * it].
 */
function axisStep(highest, unit) {
  if (unit === "ratio") return [0.01, "%", false];
  if (unit === "bool") return [1, "", false];
  if (unit === "1/s" || unit === "1/min") {
    if (isSlow(highest, unit)) return [1 / 60, "/min", true];
    const [size, name] = METRIC_STEPS.find(([one]) => highest >= one) || [1, ""];
    return [size, `${name}/s`, true];
  }
  const base = unit === "bytes/s" ? "bytes" : unit;
  const steps = AXIS_STEPS[base];
  if (steps) {
    const fitting = steps.filter(
      ([size]) => base !== "seconds" || size <= 1 || highest >= LONG_AXIS,
    );
    const [size, name] = fitting.find(([one]) => highest >= one) || steps[steps.length - 1];
    return [size, `\u00a0${name}${unit === "bytes/s" ? "/s" : ""}`, false];
  }
  const [size, name] = METRIC_STEPS.find(([one]) => highest >= one) || [1, ""];
  const word = { "tokens/s": "\u00a0tok/s", tokens: "\u00a0tok", GPUs: "\u00a0GPUs" }[unit] || "";
  return [size, name + word, true, name];
}

/**
 * The factor that makes round numbers of an axis' values: its ticks are round in the unit of its
 * labels.
 */
export const axisFactor = (highest, unit) => axisStep(highest, unit)[0];

/**
 * The labels of an axis, all in the unit that fits the value `most`, without needless zeros.
 */
export function axisLabels(values, unit, most) {
  const highest = Math.max(...values.map(Math.abs));
  const [size, name, once, short = ""] = axisStep(most ?? highest, unit);
  return values.map((value) => {
    const text = separated(String(Number((value / size).toPrecision(4))));
    const top = Math.abs(value) === highest;
    return text + (once && !top ? (value === 0 ? "" : short) : name);
  });
}

const RATES = ["1/s", "1/min", "tokens/s"];
const WHOLE_COLUMN = 9999.5; // a column whose highest value is below has no thousands

/**
 * What the rates of a column have in common, of which `highest` is the highest: {size, letter,
 * word, digits}; null where each value has its own unit.
 */
export function columnStep(unit, highest) {
  if (!RATES.includes(unit) || !(highest > 0)) return null;
  // Thousands have all their digits: "240" beside "7,550" reads better than "0.24k".
  const [size, name] = axisStep(highest < WHOLE_COLUMN ? Math.min(highest, 999) : highest, unit);
  const letter = /^[kMG]?/.exec(name)[0];
  const word = name.slice(letter.length).trim();
  const most = highest / size;
  const digits = most >= 99.95 ? 0 : most >= 9.995 ? 1 : 2;
  return { size, letter, word, digits };
}

/** [figures, unit] of a value in a column with that step, or by itself. */
export function columnParts(value, unit, step) {
  if (!step || !Number.isFinite(value)) return parts(value, unit);
  const { size, letter, word, digits } = step;
  if (word === "/min") return [perMinute(value * 60), word];
  const least = 10 ** -digits;
  if (value === 0) return ["0", word];
  if (value > 0 && value / size < least / 2) return [`< ${least}${letter}`, word];
  return [fixed(value / size, digits) + letter, word];
}

/** The same as one text. */
export const columnText = (value, unit, step) => together(columnParts(value, unit, step));

/** A number as it is, with separators. */
export function plain(value) {
  return Number.isFinite(value) ? separated(String(Number(value.toFixed(6)))) : String(value);
}

/** A length of time in two units at most: "40 s", "5 min 3 s", "2 h 10 min", "3 d 4 h". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  const total = Math.max(0, Math.round(seconds));
  const pairs = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const first = pairs.findIndex(([, size]) => total >= size);
  if (first < 0) return "0 s";
  const [unit, size] = pairs[first];
  const rest = pairs[first + 1];
  const more = rest ? Math.floor((total % size) / rest[1]) : 0;
  return `${Math.floor(total / size)}\u00a0${unit}` + (more ? `\u00a0${more}\u00a0${rest[0]}` : "");
}

const ZONE = lazily(
  () => new Intl.DateTimeFormat(undefined, { hour: "2-digit", timeZoneName: "short" }),
);
const COLLATOR = lazily(() => new Intl.Collator("en", { numeric: true, sensitivity: "base" }));
const two = (value) => String(value).padStart(2, "0");

let ahead = 0; // seconds by which the server's clock is ahead of the browser's

/**
 * Note what a response tells: the server's clock showed this second, Unix time, between two times
 * of the browser's. Times that the server and nodes tell are compared with serverNow() alone.
 */
export function setServerClock(second, sent, received) {
  if (Number.isFinite(second))
    ahead = Math.min(Math.max(ahead, second - received), second + 1 - sent);
}

/** The time now by the server's clock, Unix seconds. */
export const serverNow = () => Date.now() / 1000 + ahead;

/** The order of names as people count: w2 before w10. */
export const byName = (a, b) => COLLATOR().compare(a, b);

/** Time of day of a Unix time in the viewer's zone. */
export const clock = (time) =>
  time ? `${hour(time)}:${two(new Date(time * 1000).getSeconds())}` : NONE;
export function hour(time) {
  const date = new Date(time * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}
const DAY = 86400; // seconds
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

const yearOf = (time) => new Date(time * 1000).getFullYear();

/** A day in the viewer's zone: "3 Sep", with its year when that is another one than at `now`. */
export function day(time, now = serverNow()) {
  const date = new Date(time * 1000);
  const year = yearOf(time) === yearOf(now) ? "" : ` ${yearOf(time)}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}${year}`;
}

/** A time on an axis with labels every `step` seconds. */
export function timeLabel(time, step) {
  if (step >= DAY) return day(time);
  if (step < 60) return clock(time);
  const midnight = hour(time) === "00:00";
  return midnight ? day(time) : hour(time);
}

/**
 * When something was, as short as it is clear: the time of day, with the day when that is another
 * one.
 */
export function when(time, now = serverNow()) {
  return day(time, now) === day(now, now) ? clock(time) : `${day(time, now)} ${hour(time)}`;
}

/** The same in a sentence: "at 14:30:02", "on 3 Sep at 14:30". */
export const atWhen = (time, now = serverNow()) =>
  day(time, now) === day(now, now) ? `at ${clock(time)}` : `on ${day(time, now)} at ${hour(time)}`;

/** The same without seconds: "14:30", "3 Sep 14:30". */
export const minuteOf = (time, now = serverNow()) =>
  day(time, now) === day(now, now) ? hour(time) : when(time, now);

/** Until when something is: "14:30", with the day when that is another one than at `now`. */
export const untilText = (time, now = serverNow()) => `until ${minuteOf(time, now)}`;

/** A span of time: "02:26 – 03:26", with the days when they are not today's. */
export function spanText(start, end, now = serverNow()) {
  const short = end - start < 300 ? clock : hour;
  const [first, last, today] = [start, end, now].map((time) => day(time, now));
  const began = first === last && last === today ? short(start) : `${first} ${short(start)}`;
  const ended = (first === last ? "" : `${last} `) + short(end);
  return [began, ended].map((side) => side.replace(/ /g, "\u00a0")).join(" – "); // it breaks there
}

/** The short name of the viewer's zone at that time: "CET", "GMT+5:30". */
export const zone = (time) =>
  (
    ZONE()
      .formatToParts(time * 1000)
      .find((part) => part.type === "timeZoneName") || { value: "" }
  ).value;
/** Date, time and zone: "3 Sep 2026, 04:12:09 CEST". */
export const fullTime = (time) =>
  time ? `${day(time, time)} ${yearOf(time)}, ${clock(time)} ${zone(time)}` : NONE;

/**
 * Shorten a long name in the middle: both ends usually tell nodes apart. Of a path the last part
 * stays whole, with its slash, and of what is before it the first folders.
 */
export function middle(text, length = 28) {
  const characters = [...String(text)];
  if (characters.length <= length) return String(text);
  const slash = characters[0] === "/" ? characters.lastIndexOf("/") : -1;
  const last = characters.length - slash;
  if (slash > 0 && last > length - 2)
    return `…/${middle(characters.slice(slash + 1).join(""), length - 2)}`;
  const tail = slash > 0 ? last : Math.floor((length - 1) / 2);
  const head = characters.slice(0, length - 1 - tail).join("");
  const folders = slash > 0 ? head.replace(/[^/]+$/, "") : head;
  return `${folders}…${characters.slice(characters.length - tail).join("")}`;
}

export const plural = (count, one, many = one + "s") =>
  `${plain(count)} ${count === 1 ? one : many}`;

/** A text as it goes on within a sentence; "L1" and "TTFT" stay as they are. */
export const within = (text) => text.replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase());

/** The unit that a Prometheus name tells. */
export function unitOf(name) {
  if (/(^|_)(bytes|byte)(_total)?$|_bytes|usage$|_size_bytes/.test(name) && !/count/.test(name))
    return "bytes";
  if (/_by_(time|speed)|_count(_total)?$|requests(_total)?$/.test(name)) return "count";
  if (/_(seconds|time)(_total|_sum)?$|latency|_seconds|time_to_|ping_latency/.test(name))
    return "seconds";
  if (/tokens?(_total)?$/.test(name)) return "tokens";
  if (/hit_rate$|_ratio$|_rate$/.test(name)) return "ratio";
  return "count";
}

const ANY_ADDRESS = ["", "0.0.0.0", "::", "[::]"]; // bind addresses, which are reached by loopback

/** Where a server listens: "host:port", or the path of its socket. */
export function addressText(host, port) {
  const place = String(port);
  if (place.includes("/")) return place;
  const name = ANY_ADDRESS.includes(String(host || "")) ? "127.0.0.1" : String(host);
  return `${name.includes(":") && !name.startsWith("[") ? `[${name}]` : name}:${place}`;
}

// How a spreadsheet tells a formula: text from a node or a file could be one.
const FORMULA = /^[=+\-@\t\r]/;

/** A value as a cell of CSV (RFC 4180); text that could be a formula begins with an apostrophe. */
function csvCell(value) {
  const isFormula = typeof value === "string" && FORMULA.test(value) && Number.isNaN(+value);
  const text = (isFormula ? "'" : "") + value;
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/** Rows of values as comma-separated values. */
export const csvText = (rows) => rows.map((row) => row.map(csvCell).join(",")).join("\r\n");
