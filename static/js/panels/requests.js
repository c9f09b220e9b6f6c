// A small console: any request to the node, its answer, time and size.

import { curl, nodePath, parseJson } from "../api.js";
import { confirmDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { format } from "../format.js";
import { trusted, whyNot } from "../state.js";
import { button, copy, field } from "../ui.js";

const COMMON = ["/metrics", "/env", "/threads", "/loglevel", "/periodic-threads", "/periodic-threads-health", "/version", "/lmc_version", "/commit_id"];
// /lookup/create?dryrun=true hangs a scheduler for good and is not offered; /inference_version always answers 500
const KNOWN = {
  engine: [...COMMON, "/conf", "/conf?names=chunk_size", "/meta", "/inference_info", "/backends", "/bypass/list", "/bypass/add?backend_name=", "/bypass/remove?backend_name=", "/hot_cache/status", "/hot_cache/enable", "/hot_cache/disable", "/freeze/status", "/freeze/enable", "/freeze/disable", "/chunk_statistics/status", "/lookup/info", "/lookup/recreate", "/cache/kvcache/info", "/cache/kvcache/check?slot_mapping=0,1,[2,31]&chunk_size=16", "/cache/store?tokens_mock=0,600", "/cache/retrieve?tokens_mock=0,600", "/cache/clear", "/metrics/reset"],
  mp: [...COMMON, "/status", "/config", "/config/adapters", "/healthcheck", "/quota", "/cache/objects?tier=l2&page_size=20", "/cache/clear", "/cache/prefetches", "/cache/checksums"],
  coordinator: ["/healthz", "/instances", "/instances/usage", "/directory/stats", "/directory/keys?limit=20", "/quota", "/quota/config", "/cache/pins", "/metrics"],
  controller: [...COMMON, "/controller/workers", "/controller/key-stats", "/query_worker_info", "/health", "/lookup"],
  discovery: ["/lmcache_infos"],
};

export function mount(root, ctx) {
  const node = ctx.node();
  const method = h("select", { "aria-label": "Method" }, ["GET", "POST", "PUT", "PATCH", "DELETE"].map((name) => h("option", { value: name }, name)));
  const path = h("input", { "aria-label": "Path", list: "known-paths", spellcheck: "false", autocomplete: "off", class: "mono", required: true });
  path.value = "/version";
  const known = h("datalist", { id: "known-paths" }, (KNOWN[node.kind] || KNOWN.engine).map((one) => h("option", { value: one })));
  const headers = h("textarea", { rows: 2, spellcheck: "false", placeholder: "Accept: application/json" });
  const body = h("textarea", { rows: 5, spellcheck: "false", placeholder: '{"min_retrieve_tokens": 512}' });
  const status = h("p", { class: "result", role: "status" });
  const heads = h("details", { hidden: true }, h("summary", { class: "muted" }, "Answer's headers"));
  const output = h("pre", { class: "block", tabindex: "0", hidden: true, "aria-label": "Answer" });
  const log = h("ul", { class: "muted" });
  const send = button("Send", null, { kind: "primary" });
  send.type = "submit";

  function readHeaders() {
    const found = {};
    for (const line of headers.value.split("\n")) {
      const at = line.indexOf(":");
      if (at > 0) found[line.slice(0, at).trim()] = line.slice(at + 1).trim();
    }
    const text = body.value.trim();
    if (text && method.value !== "GET" && !Object.keys(found).some((name) => name.toLowerCase() === "content-type") && /^[[{]/.test(text)) found["Content-Type"] = "application/json";
    return found;
  }
  const options = () => ({ method: method.value, headers: readHeaders(), body: method.value === "GET" || !body.value.trim() ? undefined : body.value });

  const form = h("form", { class: "request", novalidate: true }, h("div", { class: "tools" }, method, path, known, send, button("Copy as curl", () => copy(curl(nodePath(ctx.node(), path.value), options()), "curl command copied"), { image: "copy" })),
    h("div", { class: "split" }, field("Headers", headers), field("Body", body, "Sent with every method but GET. JSON is recognised.")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const where = path.value.startsWith("/") ? path.value : "/" + path.value;
    if (method.value !== "GET" && !trusted()) { setText(status, `Locked: ${whyNot()}`); return; }
    if (method.value === "DELETE" && !(await confirmDialog({ title: `Send DELETE to ${ctx.node().key}?`, text: where, action: "Send" }))) return;
    if (/\/lookup\/create\b.*dryrun/.test(where) && !(await confirmDialog({ title: "This request hangs a scheduler", text: "On LMCache 0.5.6 it never returns on a scheduler, and the server must be restarted.", action: "Send anyway" }))) return;
    send.disabled = true;
    setText(status, "Waiting …");
    const time = new Date().toLocaleTimeString();
    try {
      const answer = await ctx.request(where, options());
      setText(status, `${answer.ok ? "●" : "■"} ${answer.status} ${answer.statusText} · ${format(answer.seconds, "seconds")} · ${format(answer.bytes, "bytes")} · ${answer.type || "no content type"}`);
      status.className = `result state ${answer.ok ? "up" : "down"}`;
      heads.hidden = false;
      replace(heads, heads.firstChild, h("pre", { class: "block" }, answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n")));
      let text = answer.text;
      if (/json/.test(answer.type) || /^\s*[[{]/.test(text)) { try { text = JSON.stringify(parseJson(text), (key, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value), 2); } catch (error) { /* shown as it came */ } }
      replace(output, text.slice(0, 500000) || "(empty)");
      output.hidden = false;
      log.prepend(h("li", { class: "mono" }, `${time}  ${answer.status}  ${format(answer.seconds, "seconds")}  ${method.value} ${where}`));
    } catch (error) {
      if (error.name === "AbortError") return;
      status.className = "result state down";
      setText(status, `■ ${error.message}`);
      log.prepend(h("li", { class: "mono" }, `${time}  –  ${method.value} ${where}: ${error.message}`));
    } finally { send.disabled = false; }
    while (log.children.length > 20) log.lastChild.remove();
  });
  root.append(h("section", { class: "panel", "aria-label": "Requests" }, h("header", { class: "panel-head" }, h("h2", {}, "Requests"), h("p", { class: "muted" }, "sent to this node as they are")), form, status, heads, output, h("h3", {}, "Sent"), log));
}
