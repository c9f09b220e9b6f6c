// What the settings of LMCache are about: a topic and a line of help for each, by name.

/** Topic -> [setting or beginning of settings with "*", help or ""]. The first match counts. */
const TOPICS = {
  "CPU memory (L1)": [
    ["chunk_size", "Tokens in a chunk, the unit in which KV is stored and looked up."],
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
    ["local_disk", "Directory of the disk cache; not set: no disk cache."],
    ["max_local_disk_size", "Size of the disk cache in GiB, for each worker."],
    ["local_disk_path_sharding", "How workers share several disk directories."],
    ["remote_url", "Address of the remote cache; not set: none."],
    ["remote_serde", "How KV is encoded for the remote cache."],
    ["remote_storage_plugins", "Plugins that add remote storage."],
    ["storage_plugins", "Plugins that add storage backends."],
    ["external_backends", "Plugins that add storage backends."],
    [
      "audit_actual_remote_url",
      "Address of the remote cache that the audit connector passes requests to.",
    ],
    ["gds_path", "Directory of the GPUDirect Storage backend; not set: the backend is off."],
    ["gds_path_sharding", "How workers share several GPUDirect Storage directories."],
    ["gds_buffer_size", "GPU memory in MiB for the buffers of GPUDirect Storage."],
    ["gds_backend", "Library for GPUDirect Storage, for example cuFile."],
    ["cufile_buffer_size", "GPU memory in MiB for the buffers of GPUDirect Storage."],
    ["weka_path", "Directory of the Weka backend; not set: none."],
    ["use_gds", "Use GPUDirect Storage where its path is set."],
    ["maru_path", "Address of the Maru backend (shared CXL memory); not set: none."],
    ["maru_pool_size", "Size of the pool of the Maru backend in GiB."],
    ["nixl_backends", "Transports that NIXL may use."],
    ["nixl_buffer_size", "Size of NIXL’s buffer in bytes."],
    ["nixl_buffer_device", "Device of NIXL’s buffer: cpu or cuda."],
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
    ["hit_miss_ratio", "Simulated hit rate, for tests."],
    [
      "pre_caching_hash_algorithm",
      "Hash of a chunk’s tokens. Must be the same on all nodes, or nothing matches.",
    ],
    ["enable_async_loading", "Load KV while the request waits in the queue."],
    ["use_layerwise", "Load and store layer by layer while the model computes."],
    ["pin_timeout_sec", "Seconds after which a pinned chunk is unpinned by force."],
    ["pin_check_interval_sec", "Seconds between checks for chunks that are pinned too long."],
  ],
  Storing: [
    ["save_decode_cache", "Store KV of generated tokens too."],
    ["save_unfull_chunk", "Store the last chunk of a prompt even if it is not full."],
    ["hidden_state_layers", "Layers whose hidden states are cached."],
    [
      "hidden_states_retrieve_mode",
      "What to do at a chunk without hidden states: stop there, or skip it.",
    ],
    ["max_hidden_state_cpu_size", "CPU memory in GiB for hidden states."],
    ["enable_hidden_state_cache", "Cache hidden states too."],
  ],
  "Blending (CacheBlend)": [
    ["enable_blending", "Reuse KV of chunks that are not a prefix."],
    ["blend_recompute_ratio", "Share of the tokens that is recomputed."],
    ["blend_recompute_ratios", "Share of the tokens that is recomputed, per checked layer."],
    ["blend_thresholds", "Deviation from which a token is recomputed, per checked layer."],
    ["blend_check_layers", "Layers used to choose the tokens to recompute."],
    ["blend_min_tokens", "Shorter prompts are not blended."],
    ["blend_special_str", "Text that separates the parts of a prompt."],
  ],
  "Other instances and MP server": [
    ["enable_p2p", "Load KV from other instances."],
    ["p2p_host", "Host at which other instances reach this one."],
    ["p2p_init_ports", "Ports on which peers begin a transfer, one for each worker."],
    ["p2p_lookup_ports", "Ports on which peers look up chunks, one for each worker."],
    ["lookup_url", "Address of the service that knows which instance has a chunk."],
    ["distributed_url", "Address of this instance for peer-to-peer transfers."],
    ["enable_pd", "Prefill and decode run on different instances."],
    ["enable_nixl", "Prefill and decode run on different instances."],
    ["enable_xpyd", "Several prefill and several decode instances."],
    ["nixl_role", "Side of this instance: sender (prefill) or receiver (decode)."],
    ["nixl_receiver_host", "Host of the decode instance."],
    ["nixl_receiver_port", "Port of the decode instance."],
    ["nixl_peer_host", "Host of the decode instance."],
    ["nixl_peer_init_port", "Port on which a decode instance accepts prefill instances."],
    ["nixl_peer_alloc_port", "Port on which a decode instance reserves memory."],
    ["nixl_proxy_host", "Host of the proxy in front of prefill and decode."],
    ["nixl_proxy_port", "Port on which the proxy is notified when a prefill is done."],
    ["nixl_enable_gc", "Free transferred KV of requests that have ended."],
    ["nixl_*", ""],
    ["pd_role", "Side of this instance: sender (prefill) or receiver (decode)."],
    ["pd_buffer_size", "Size in bytes of the buffer for KV on its way to the decode instance."],
    [
      "pd_buffer_device",
      "Device of the buffer for KV on its way to the decode instance: cpu or cuda.",
    ],
    ["pd_peer_host", "Host of the decode instance."],
    ["pd_peer_init_port", "Ports on which a decode instance accepts prefill instances."],
    ["pd_peer_alloc_port", "Ports on which a decode instance reserves memory."],
    ["pd_peer_query_port", "Ports on which a decode instance answers queries."],
    ["pd_proxy_host", "Host of the proxy in front of prefill and decode."],
    ["pd_proxy_port", "Port on which the proxy is notified when a prefill is done."],
    ["pd_allocation_timeout_sec", "Seconds to retry for memory before a transfer fails."],
    ["pd_shutdown_timeout_sec", "Seconds to wait for transfers at shutdown."],
    ["pd_condition_poll_interval_sec", "Seconds between two checks for free memory."],
    ["pd_max_prefill_len", "Tokens that the buffer must be able to hold; 0: not checked."],
    ["pd_backend_mode", "Implementation of the transfers: async or sync."],
    ["pd_skip_proxy_notification", "Do not tell the proxy that a prefill is done."],
    ["pd_bidirectional", "Transfer KV in both directions."],
    ["pd_*", ""],
    ["mp_host", "Host of the MP server that holds the cache."],
    ["mp_port", "Port of the MP server that holds the cache."],
  ],
  "Controller and identity": [
    ["enable_controller", "Register with a cache controller."],
    ["controller_pull_url", "Address where the cache controller receives reports."],
    ["controller_url", "Address of the cache controller."],
    ["controller_reply_url", "Address where the cache controller serves requests."],
    ["lmcache_instance_id", "Name of the instance, shared by its processes."],
    ["lmcache_worker_ports", "Ports on which workers receive the controller’s commands."],
    ["lmcache_worker_ids", "Workers that register with the controller; not set: all."],
    ["lmcache_worker_heartbeat_delay_time", "Seconds until the first heartbeat of a worker."],
    ["lmcache_worker_heartbeat_time", "Seconds between two heartbeats; not set: none."],
    ["lmcache_worker_*", ""],
    ["app_id", "Name of the application."],
  ],
  "Observability and API": [
    ["internal_api_server_enabled", "Run the HTTP server that this page queries."],
    ["internal_api_server_host", "Address on which this process’s HTTP server listens."],
    [
      "internal_api_server_port_start",
      "First HTTP port, used by the scheduler; workers use the next ones.",
    ],
    ["internal_api_server_include_index_list", "Processes that have an HTTP server; not set: all."],
    [
      "internal_api_server_socket_path_prefix",
      "Prefix of the Unix socket paths used instead of HTTP ports.",
    ],
    ["run_script_api_enabled", "Allow scripts sent to this process."],
    ["script_allowed_imports", "Modules that scripts may import."],
    ["enable_chunk_statistics", "Count how often chunks are reused."],
    ["chunk_statistics_strategy", "How chunk reuse is counted: a Bloom filter or a file."],
    ["chunk_statistics_auto_start_statistics", "Start counting with the process."],
    ["chunk_statistics_auto_exit_timeout_hours", "Hours after which counting ends; 0: never."],
    [
      "chunk_statistics_auto_exit_target_unique_chunks",
      "Number of unique chunks at which counting ends; 0: never.",
    ],
    ["enable_kv_events", "Publish events when KV is stored or removed."],
    ["runtime_plugin_locations", "Programs started along with this process."],
    ["plugin_locations", "Programs started along with this process."],
    ["remote_config_url", "Where settings are fetched from."],
    ["py_enable_gc", "Run Python’s garbage collector."],
    ["extra_config", "Further options, for plugins and backends."],
    ["use_gpu_connector_v3", "Newer implementation of copies between GPU and CPU."],
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
