// Numbers with units, times in the viewer's zone, names that fit.

export const NONE = "–";

// Numbers and times of day are put together by hand and what needs Intl is made when it is first used: the browser reads
// its tables of all languages then, which costs a new page 20 ms or more.
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

function scaled(value, step, units) {
  let index = 0;
  let size = value;
  while (Math.abs(size) >= step * 0.9995 && index < units.length - 1) {
    size /= step;
    index += 1;
  }
  return [index === 0 && Number.isInteger(size) ? fixed(size, 0) : figures(size), units[index]];
}

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
  "tokens/s": (value) => {
    const [text, unit] = scaled(value, 1000, ["", "k", "M", "G"]);
    return [text, unit + " tok/s"];
  },
  "per second": (value) => {
    const [text, unit] = scaled(value, 1000, ["", "k", "M", "G"]);
    return [text, unit + "/s"];
  },
  "bytes/s": (value) => {
    const [text, unit] = UNITS.bytes(value);
    return [text, unit + "/s"];
  },
  tokens: (value) => {
    const [text, unit] = scaled(value, 1000, ["", "k", "M", "G"]);
    return [text, unit + " tok"];
  },
  count: (value) => scaled(value, 1000, ["", "k", "M", "G"]),
};

/** [figures, unit] of a value, to be styled apart. */
export function parts(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return [NONE, ""];
  if (!Number.isFinite(value)) return [value > 0 ? "∞" : "−∞", ""];
  return (UNITS[unit] || UNITS.count)(value);
}

/** A value with its unit as one text; a no-break space keeps them together. */
export function format(value, unit) {
  const [text, wide] = parts(value, unit);
  const mark = wide.trim();
  if (mark === "") return text;
  return mark === "%" || wide.startsWith("/")
    ? text + (mark === "%" ? "\u202f%" : mark)
    : `${text}\u00a0${mark}`;
}

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
  return `${Math.floor(total / size)}\u00a0${unit}` + (more ? ` ${more}\u00a0${rest[0]}` : "");
}

const ZONE = lazily(
  () => new Intl.DateTimeFormat(undefined, { hour: "2-digit", timeZoneName: "short" }),
);
const FULL = lazily(
  () =>
    new Intl.DateTimeFormat(undefined, {
      dateStyle: "medium",
      timeStyle: "long",
      hourCycle: "h23",
    }),
);
const COLLATOR = lazily(() => new Intl.Collator("en", { numeric: true, sensitivity: "base" }));
const two = (value) => String(value).padStart(2, "0");

/** The order of names as people count: w2 before w10. */
export const byName = (a, b) => COLLATOR().compare(a, b);

/** Time of day of a Unix time in the viewer's zone. */
export const clock = (time) =>
  time ? `${hour(time)}:${two(new Date(time * 1000).getSeconds())}` : NONE;
export function hour(time) {
  const date = new Date(time * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}
/** The short name of the viewer's zone at that time: "CET", "GMT+5:30". */
export const zone = (time) =>
  (
    ZONE()
      .formatToParts(time * 1000)
      .find((part) => part.type === "timeZoneName") || { value: "" }
  ).value;
/** Date, time and zone. */
export const fullTime = (time) => (time ? FULL().format(time * 1000) : NONE);

/** Shorten a long name in the middle: both ends usually tell nodes apart. */
export function middle(text, length = 28) {
  const characters = [...String(text)];
  if (characters.length <= length) return String(text);
  const head = Math.ceil((length - 1) / 2);
  return (
    characters.slice(0, head).join("") +
    "…" +
    characters.slice(characters.length - (length - 1 - head)).join("")
  );
}

export const plural = (count, one, many = one + "s") =>
  `${plain(count)} ${count === 1 ? one : many}`;

/** What /api/status tells of a node or of the cluster: label, unit and what it means. */
export const METRICS = {
  lookup_hit_rate: ["Lookup hit rate", "ratio", "share of looked-up tokens that were in a cache"],
  retrieve_hit_rate: [
    "Retrieve hit rate",
    "ratio",
    "share of requested tokens that were really loaded",
  ],
  requested_tokens_per_second: ["Requested tokens", "tokens/s", "tokens asked of the cache"],
  hit_tokens_per_second: [
    "From cache",
    "tokens/s",
    "tokens served from the cache instead of computed",
  ],
  stored_tokens_per_second: ["Stored tokens", "tokens/s", "tokens written to the cache"],
  requests_per_second: ["Requests", "per second", "retrieve requests"],
  retrieve_p50: ["Retrieve p50", "seconds", "half of the retrievals are faster"],
  retrieve_p90: ["Retrieve p90", "seconds", "9 of 10 retrievals are faster"],
  retrieve_p99: ["Retrieve p99", "seconds", "99 of 100 retrievals are faster"],
  store_p50: ["Store p50", "seconds", "half of the stores are faster"],
  store_p90: ["Store p90", "seconds", "9 of 10 stores are faster"],
  store_p99: ["Store p99", "seconds", "99 of 100 stores are faster"],
  lookup_p50: ["Lookup p50", "seconds", "half of the lookups are faster"],
  lookup_p90: ["Lookup p90", "seconds", "9 of 10 lookups are faster"],
  lookup_p99: ["Lookup p99", "seconds", "99 of 100 lookups are faster"],
  local_cache_bytes: ["CPU cache", "bytes", "bytes in the local CPU cache"],
  local_cache_limit_bytes: ["CPU cache limit", "bytes", "configured size of the local CPU cache"],
  remote_cache_bytes: ["Remote cache", "bytes", "bytes in the remote cache"],
  local_storage_bytes: ["Local storage", "bytes", "bytes on local disk"],
  evictions_per_second: ["Evictions", "per second", "objects pushed out of the local CPU cache"],
  failures_per_second: ["Failures", "per second", "failed cache operations"],
  remote_ping_seconds: ["Remote ping", "seconds", "time to reach the remote cache"],
  slow_retrievals_per_second: [
    "Slow retrievals",
    "per second",
    "retrievals slower than the configured limit",
  ],
  pinned_objects: ["Pinned objects", "count", "objects that may not be evicted now"],
  queue_size: ["Queue", "count", "work waiting"],
  healthy: ["Healthy", "count", "1 when the node's own health monitor is content"],
  latency: ["Answer time", "seconds", "time the node took to answer the last poll"],
};

/** What the server keeps over time. */
export const HISTORY = [
  "lookup_hit_rate",
  "retrieve_hit_rate",
  "requested_tokens_per_second",
  "hit_tokens_per_second",
  "stored_tokens_per_second",
  "requests_per_second",
  "retrieve_p50",
  "retrieve_p99",
  "store_p99",
  "lookup_p99",
  "local_cache_bytes",
  "remote_cache_bytes",
  "evictions_per_second",
  "failures_per_second",
  "slow_retrievals_per_second",
  "queue_size",
  "latency",
];

export const metricLabel = (name) => (METRICS[name] ? METRICS[name][0] : name);
export const metricUnit = (name) => (METRICS[name] ? METRICS[name][1] : unitOf(name));

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
