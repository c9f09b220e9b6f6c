// What the settings of LMCache are about: a topic and a line of help for each, by name.

/** Topic -> [setting or beginning of settings with "*", help]. The first match counts. */
const TOPICS = {
  "CPU memory (L1)": [
    ["chunk_size", "Tokens in a chunk, the unit in which KV is stored and found."],
    ["local_cpu", "Keep KV chunks in CPU memory."],
    ["max_local_cpu_size", "Size of the CPU cache in GiB, for each worker."],
    ["reserve_local_cpu_size", "CPU memory in GiB that the cache leaves free."],
    ["local_cpu_use_hugepages", "Use huge pages for the CPU cache."],
    ["cache_policy", "Which chunks are evicted first: LRU, LFU, FIFO or MRU."],
    ["numa_mode", "Place the CPU cache on the NUMA node of the GPU."],
    ["enable_lazy_memory_allocator", "Grow the CPU cache as it fills instead of at the start."],
    ["lazy_memory_initial_ratio", "Share of the CPU cache that the lazy allocator begins with."],
    ["lazy_memory_expand_trigger_ratio", "Fill level at which the lazy allocator grows the cache."],
    ["lazy_memory_step_ratio", "Share of the CPU cache that is added each time."],
    ["lazy_memory_safe_size", "Size in GiB above which the CPU cache may grow lazily."],
    ["priority_limit", "Requests of a lower priority than this are not stored."],
  ],
  "Disk and remote storage (L2)": [
    ["local_disk", "Folder of the disk cache; not set: no disk cache."],
    ["max_local_disk_size", "Size of the disk cache in GiB, for each worker."],
    ["local_disk_path_sharding", "How workers share several disk folders."],
    ["remote_url", "Address of the remote cache; not set: none."],
    ["remote_serde", "How KV is encoded for the remote cache."],
    ["remote_storage_plugins", "Plugins that add remote storage."],
    ["storage_plugins", "Plugins that add storage backends."],
    ["audit_actual_remote_url", "Remote cache behind the auditing one."],
    ["gds_*", "GPUDirect Storage: the folder and buffers of that backend."],
    ["use_gds", "Use GPUDirect Storage where its path is set."],
    ["maru_*", "The Maru backend: its path and pool."],
    ["nixl_*", "Transfers through NIXL: backends and buffers."],
    ["transfer_channel", "How KV moves between processes."],
    ["retrieve_locations", "Backends from which KV may be loaded; not set: all."],
    ["store_location", "Backend to which KV is stored; not set: all."],
    ["blocking_timeout_secs", "Seconds to wait for a backend before giving up."],
  ],
  "Lookup and retrieval": [
    ["min_retrieve_tokens", "Shorter hits are computed instead of loaded."],
    ["lookup_timeout_ms", "Milliseconds after which a lookup counts as a miss."],
    ["lookup_server_worker_ids", "Workers that answer lookups; not set: all."],
    ["external_lookup_client", "Lookup service outside this instance."],
    ["enable_scheduler_bypass_lookup", "The scheduler looks up without its workers."],
    ["hit_miss_ratio", "Share of hits that is simulated, for tests."],
    [
      "pre_caching_hash_algorithm",
      "Hash of a chunk's tokens. Equal everywhere, or nothing is found.",
    ],
    ["enable_async_loading", "Load KV while the request waits in the queue."],
    ["use_layerwise", "Load and store layer by layer, beside the computation."],
    ["pin_*", "How long chunks stay pinned during a request."],
  ],
  Storing: [
    ["save_decode_cache", "Store KV of generated tokens too."],
    ["save_unfull_chunk", "Store the last chunk of a prompt although it is not full."],
    ["hidden_state*", "Caching of hidden states: layers and how they are matched."],
    ["max_hidden_state_cpu_size", "CPU memory in GiB for hidden states."],
    ["enable_hidden_state_cache", "Cache hidden states too."],
  ],
  "Blending (CacheBlend)": [
    ["enable_blending", "Reuse KV of chunks that are not a prefix."],
    ["blend_*", "What CacheBlend computes again, and when."],
  ],
  "Peer-to-peer, disaggregation, MP server": [
    ["enable_p2p", "Load KV from other instances."],
    ["p2p_*", "Addresses for peer-to-peer transfers."],
    ["enable_pd", "Prefill and decode run on different instances."],
    ["pd_*", "Roles, buffers and timeouts between prefill and decode."],
    ["mp_*", "Address of the MP server that holds the cache."],
  ],
  "Controller and identity": [
    ["enable_controller", "Register with a cache controller."],
    ["controller_*", "Addresses of the cache controller."],
    ["lmcache_instance_id", "Name of the instance, shared by its processes."],
    ["lmcache_worker_*", "How workers report to the controller."],
    ["app_id", "Name of the application."],
  ],
  "Observability and API": [
    ["internal_api_server_*", "The HTTP server that this page talks to."],
    ["run_script_api_enabled", "Allow scripts sent to this process."],
    ["script_allowed_imports", "Modules that scripts may import."],
    ["enable_chunk_statistics", "Count how often chunks are reused."],
    ["chunk_statistics_*", "How chunk reuse is counted, and when that ends."],
    ["enable_kv_events", "Publish events when KV is stored or removed."],
    ["runtime_plugin_locations", "Programs started beside this process."],
    ["remote_config_url", "Where settings are fetched from."],
    ["py_enable_gc", "Python's garbage collection."],
    ["extra_config", "Further options, for plugins and backends."],
    ["use_gpu_connector_v3", "Newer code to move KV between GPU and CPU."],
  ],
};
const OTHER = "Other settings";

export const TOPIC_NAMES = [...Object.keys(TOPICS), OTHER];

const exact = new Map();
const beginnings = [];
for (const [topic, list] of Object.entries(TOPICS))
  for (const [name, help] of list) {
    if (name.endsWith("*")) beginnings.push([name.slice(0, -1), { topic, help }]);
    else exact.set(name, { topic, help });
  }

/** What a setting is about: {topic, help}. */
export function aboutSetting(name) {
  const found = exact.get(name) || (beginnings.find(([begin]) => name.startsWith(begin)) || [])[1];
  return found || { topic: OTHER, help: "" };
}
