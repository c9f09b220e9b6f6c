// What things are called: figures with their units, kinds of nodes, states. Written once, used by
// every view.

import { unitOf } from "./format.js";

/** Sign and rank of each state: the worst comes first. */
export const STATE_SIGNS = { up: "●", degraded: "◆", down: "■", unknown: "○" };
export const STATE_ORDER = { down: 0, degraded: 1, unknown: 2, up: 3 };
export const STATES = Object.keys(STATE_SIGNS);

/** The place of a state among what has nodes, worst first: "6 of 6 down", then "1 of 6 down". */
export function stateRank(state, nodes) {
  const count = nodes.filter((node) => node.state === state).length;
  return (STATE_ORDER[state] ?? STATE_ORDER.unknown) + (count ? 1 - count / nodes.length : 0);
}

/** The worst state of these nodes. */
export function worstState(nodes) {
  const start = nodes.length ? "up" : "unknown";
  return nodes.reduce(
    (state, node) => (STATE_ORDER[node.state] < STATE_ORDER[state] ? node.state : state),
    start,
  );
}

export const SEVERITIES = {
  critical: { word: "Critical", state: "down", rank: 0 },
  warning: { word: "Warning", state: "degraded", rank: 1 },
  info: { word: "Info", state: "unknown", rank: 2 },
};

/** Kind of a node -> its name. */
export const KINDS = {
  worker: "worker",
  scheduler: "scheduler",
  engine: "engine",
  mp: "MP server",
  coordinator: "coordinator",
  controller: "controller",
  discovery: "discovery service",
  frontend: "frontend",
};

/** Kinds whose settings can be changed while they run. */
export const SETTABLE = ["worker", "scheduler"];

/** Kinds whose settings can be read. Those of an engine are read from its scheduler and workers. */
export const READABLE = [...SETTABLE, "mp"];

/** The panels of a node, by their name in the address. */
export const PANELS = {
  overview: "Overview",
  metrics: "Metrics",
  events: "Events",
  threads: "Threads",
  loglevels: "Log levels",
  config: "Config",
  meta: "Meta",
  inference: "Inference",
  environment: "Environment",
  cache: "Cache",
  script: "Script",
  requests: "Requests",
};

const OF_LMCACHE = Object.keys(PANELS).slice(3, -1); // what other servers have no endpoints for
/** What a kind of server has no endpoint for. */
const ABSENT = {
  engine: OF_LMCACHE,
  mp: ["meta", "inference"],
  coordinator: OF_LMCACHE.filter((name) => !["config", "cache"].includes(name)),
  controller: ["config", "meta", "inference"],
  discovery: ["metrics", ...OF_LMCACHE],
  frontend: OF_LMCACHE,
};

/** Whether a panel is offered; the address of an absent one works and says why it is empty. */
export const hasPanel = (kind, name) => !(ABSENT[kind] || []).includes(name);

/** Layer -> its colour in every chart; what is no layer takes 3, 4 or 6 first. */
export const LAYER_COLOURS = { gpu: 0, l1: 1, l2: 2, remote: 2, disk: 5, lmcache: 7 };

/** Latencies come as three quantiles each. */
function quantiles(name, label, what) {
  return Object.fromEntries(
    [
      ["p50", "half of the"],
      ["p90", "9 of 10"],
      ["p99", "99 of 100"],
    ].map(([q, share]) => [
      `${name}_${q}`,
      [`${label} ${q}`, "seconds", `${share} ${what} are faster`],
    ]),
  );
}

/** Tokens by where they came from; they add up to the prompt tokens. */
const SOURCES = {
  source_gpu: ["GPU prefix", "tokens/s", "prompt tokens found in the engine’s GPU prefix cache"],
  source_l1: ["L1", "tokens/s", "prompt tokens loaded from CPU memory"],
  source_disk: ["Disk", "tokens/s", "prompt tokens loaded from local disk"],
  source_remote: ["Remote", "tokens/s", "prompt tokens loaded from remote storage or a peer"],
  source_computed: ["Computed", "tokens/s", "prompt tokens that had to be computed"],
};

const CACHE = {
  lookup_hit_rate: ["Hit rate", "ratio", "share of looked-up tokens that were in the cache"],
  retrieve_hit_rate: [
    "Retrieve hit rate",
    "ratio",
    "share of requested tokens that were loaded from the cache",
  ],
  l1_hit_rate: ["L1 hit rate", "ratio", "share of looked-up tokens found in CPU memory (L1)"],
  l2_hit_rate: ["L2 hit rate", "ratio", "share of looked-up tokens found in L2 and not in L1"],
  request_hit_rate_p50: [
    "Hit rate per request p50",
    "ratio",
    "half of the requests have a higher hit rate",
  ],
  requested_tokens_per_second: [
    "Requested tokens",
    "tokens/s",
    "tokens to load from the cache: those matched beyond the GPU prefix",
  ],
  hit_tokens_per_second: [
    "Served from cache",
    "tokens/s",
    "tokens loaded from the cache instead of computed; those already in GPU memory are not loaded",
  ],
  stored_tokens_per_second: ["Stored tokens", "tokens/s", "tokens written to the cache"],
  tokens_saved_per_second: [
    "Tokens saved",
    "tokens/s",
    "tokens that LMCache supplied, so that no GPU computed them",
  ],
  gpu_seconds_saved_per_second: ["GPU time saved", "GPUs", "GPU seconds saved each second"],
  requests_per_second: ["LMCache requests", "1/s", "lookups, retrievals and stores"],
  zero_hit_lookups_per_second: ["Lookups without a hit", "1/s", "lookups that found nothing"],
  local_cache_bytes: ["L1 memory", "bytes", "bytes in the local CPU cache"],
  local_cache_limit_bytes: ["L1 limit", "bytes", "configured size of the local CPU cache"],
  l1_usage_ratio: ["L1 usage", "ratio", "used share of the local CPU cache"],
  remote_cache_bytes: ["Remote cache", "bytes", "bytes in the remote cache"],
  local_storage_bytes: ["Disk cache", "bytes", "bytes in the local disk cache"],
  evictions_per_second: ["Evictions", "1/s", "chunks evicted from the cache"],
  failures_per_second: ["Failures", "1/min", "failed cache operations"],
  timeouts_per_second: ["Timeouts", "1/min", "cache operations that timed out"],
  slow_retrievals_per_second: [
    "Slow retrievals",
    "1/min",
    "retrievals slower than the configured limit",
  ],
  pinned_objects: ["Pinned objects", "things", "objects that must not be evicted"],
  queue_size: ["Queue length", "things", "tasks waiting"],
  healthy: ["Self-reported health", "bool", "whether the node reports that it is healthy"],
};

const MOVEMENT = {
  l1_load_bytes_per_second: [
    "L1 to GPU speed",
    "bytes/s",
    "speed of loads from CPU memory to the GPU",
  ],
  l1_store_bytes_per_second: [
    "GPU to L1 speed",
    "bytes/s",
    "speed of stores from the GPU to CPU memory",
  ],
  l2_load_bytes_per_second: ["L2 to L1 speed", "bytes/s", "speed of loads from L2 storage"],
  l2_store_bytes_per_second: ["L1 to L2 speed", "bytes/s", "speed of stores to L2 storage"],
  loads_in_flight: ["L2 loads in flight", "things", "loads from L2 that have not finished"],
  stores_in_flight: ["L2 stores in flight", "things", "stores to L2 that have not finished"],
  retrieve_speed_p50: ["Retrieve speed p50", "tokens/s", "half of the retrievals are faster"],
  store_speed_p50: ["Store speed p50", "tokens/s", "half of the stores are faster"],
  remote_read_bytes_per_second: ["Remote reads", "bytes/s", "bytes read from the remote cache"],
  remote_write_bytes_per_second: ["Remote writes", "bytes/s", "bytes written to the remote cache"],
  remote_read_p99: ["Remote read p99", "seconds", "99 of 100 remote reads are faster"],
  remote_write_p99: ["Remote write p99", "seconds", "99 of 100 remote writes are faster"],
  remote_ping_seconds: ["Remote ping", "seconds", "time to reach the remote cache"],
  chunk_lifetime_p50: ["Chunk lifetime p50", "seconds", "half of the chunks stay longer"],
  idle_before_eviction_p50: [
    "Idle before eviction p50",
    "seconds",
    "half of the evicted chunks had not been used for longer",
  ],
  reuse_gap_p50: ["Chunk reuse gap p50", "seconds", "half of the chunks are used again sooner"],
  cache_lifespan_p50: ["Cache lifespan p50", "seconds", "half of the entries stay longer"],
};

const ENGINE = {
  running_requests: ["Running requests", "things", "requests that the engine is processing"],
  waiting_requests: ["Waiting requests", "things", "requests in the engine’s queue"],
  kv_usage_ratio: ["GPU KV cache usage", "ratio", "used share of the engine’s KV cache"],
  gpu_prefix_hit_rate: [
    "GPU prefix hit rate",
    "ratio",
    "share of prompt tokens found in the engine’s prefix cache",
  ],
  external_prefix_hit_rate: [
    "LMCache hit rate",
    "ratio",
    "share of the prompt tokens not in the GPU prefix that LMCache supplied",
  ],
  prompt_tokens_per_second: ["Prompt tokens", "tokens/s", "prompt tokens processed"],
  generation_tokens_per_second: ["Generated tokens", "tokens/s", "tokens generated"],
  preemptions_per_second: ["Preemptions", "1/min", "requests preempted by the engine"],
};

/** Figures of a node, an instance or the cluster: name -> [label, unit, what it means]. */
const FIGURES = {
  ...CACHE,
  ...quantiles("retrieve", "Retrieve", "retrievals"),
  ...quantiles("store", "Store", "stores"),
  ...quantiles("lookup", "Lookup", "lookups"),
  ...MOVEMENT,
  ...ENGINE,
  ...quantiles("ttft", "TTFT", "first tokens"),
  ...quantiles("itl", "Inter-token latency", "following tokens"),
  ...SOURCES,
  latency: ["Response time", "seconds", "time the node took to respond to the last poll"],
};

/** Figures that are not in the table above, as /api/figures describes them. */
const more = new Map();

export function addFigures(list) {
  for (const { name, label, unit, help } of list)
    if (!(name in FIGURES)) more.set(name, [label, unit, help || ""]);
}

const entry = (name) =>
  Object.hasOwn(FIGURES, name) ? FIGURES[name] : more.get(name) || [name, unitOf(name), ""];

export const figureNames = () => [...Object.keys(FIGURES), ...more.keys()];
export const isFigure = (name) => Object.hasOwn(FIGURES, name) || more.has(name);
export const metricLabel = (name) => entry(name)[0];
export const metricUnit = (name) => entry(name)[1];
export const metricHelp = (name) => entry(name)[2];

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

export const kindName = (kind) => KINDS[kind] || "";

/** What a node is known from. */
export const sourceText = ({ source }) =>
  String(source).startsWith("proxy:") ? "its frontend" : source || "";

const PAST_FORMS = [
  [/ (?:is|has been) /, " was "],
  [/ (?:are|have been) /, " were "],
  [/ have rising /, " had rising "],
  [/ reports itself /, " reported itself "],
  [/ differ in /, " differed in "],
  [/ run different /, " ran different "],
  [/ may be /, " may have been "],
  [/ does not respond/, " did not respond"],
  [/^(Remote backend of \S+) fails:/, "$1 failed:"],
  [/^(\S+(?: and \d+ others)?) restarted (?=\d)/, "$1 had restarted "],
  [/ fell(?=:)/g, " had fallen"],
  [/ rose(?=:)/g, " had risen"],
];

/** What a server says of something that lasts, told of something that is over. */
export const pastTense = (text) =>
  PAST_FORMS.reduce((said, [form, past]) => said.replace(form, past), text);
