// The defaults of LMCache 0.5.6's settings, as its own definitions have them: the server does not
// report them.

const words = (text) => text.trim().split(/\s+/);

const UNSET = words(`
  local_disk remote_url blend_recompute_ratios blend_thresholds blend_check_layers
  retrieve_locations store_location p2p_host p2p_init_ports p2p_lookup_ports mp_host
  lmcache_instance_id controller_pull_url controller_reply_url lmcache_worker_ports
  lmcache_worker_ids lmcache_worker_heartbeat_time pd_role pd_buffer_size pd_buffer_device
  pd_peer_host pd_peer_init_port pd_peer_alloc_port pd_peer_query_port pd_proxy_host
  pd_proxy_port transfer_channel nixl_backends nixl_buffer_size nixl_buffer_device gds_path
  gds_buffer_size maru_path audit_actual_remote_url extra_config external_lookup_client
  numa_mode priority_limit internal_api_server_include_index_list
  internal_api_server_socket_path_prefix runtime_plugin_locations storage_plugins
  remote_storage_plugins hit_miss_ratio lookup_server_worker_ids script_allowed_imports
  remote_config_url app_id hidden_state_layers
`);
const OFF = words(`
  local_cpu_use_hugepages use_layerwise save_decode_cache enable_blending enable_p2p
  enable_controller enable_pd pd_skip_proxy_notification pd_bidirectional save_unfull_chunk
  enable_async_loading internal_api_server_enabled enable_scheduler_bypass_lookup
  run_script_api_enabled enable_lazy_memory_allocator enable_chunk_statistics
  chunk_statistics_auto_start_statistics enable_kv_events use_gpu_connector_v3
  enable_hidden_state_cache
`);
const ON = words(`local_cpu use_gds py_enable_gc`);

const VALUES = {
  chunk_size: 256,
  max_local_cpu_size: 5.0,
  reserve_local_cpu_size: 0.0,
  local_disk_path_sharding: "by_gpu",
  max_local_disk_size: 0.0,
  remote_serde: "naive",
  pre_caching_hash_algorithm: "builtin",
  blend_min_tokens: 256,
  blend_special_str: " # # ",
  mp_port: 5555,
  lmcache_worker_heartbeat_delay_time: 10,
  pd_allocation_timeout_sec: Infinity,
  pd_shutdown_timeout_sec: 5.0,
  pd_condition_poll_interval_sec: 0.005,
  pd_max_prefill_len: 0,
  pd_backend_mode: "async",
  gds_path_sharding: "by_gpu",
  maru_pool_size: 4.0,
  gds_backend: "cufile",
  internal_api_server_host: "127.0.0.1",
  blocking_timeout_secs: 10,
  cache_policy: "LRU",
  internal_api_server_port_start: 6999,
  lookup_timeout_ms: 3000,
  min_retrieve_tokens: 0,
  lazy_memory_initial_ratio: 0.2,
  lazy_memory_expand_trigger_ratio: 0.5,
  lazy_memory_step_ratio: 0.1,
  lazy_memory_safe_size: 0.0,
  chunk_statistics_auto_exit_timeout_hours: 0.0,
  chunk_statistics_auto_exit_target_unique_chunks: 0,
  chunk_statistics_strategy: "memory_bloom_filter",
  pin_timeout_sec: 300,
  pin_check_interval_sec: 30,
  max_hidden_state_cpu_size: 2.0,
  hidden_states_retrieve_mode: "prefix_strict",
};

/** Setting -> default value. A setting that is not in here is newer or older than that version. */
export const DEFAULTS = new Map([
  ...UNSET.map((name) => [name, null]),
  ...OFF.map((name) => [name, false]),
  ...ON.map((name) => [name, true]),
  ...Object.entries(VALUES),
]);
