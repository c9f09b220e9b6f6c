// A small console: any request to the node, its answer, time and size.

import { button, copy, field } from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { clock, format } from "../format.js";
import { curl, nodePath, parseJson, subscribe, trusted, whyNot } from "../server.js";

// "METHOD path" and, after a space, a body to start from. POST /lookup/create?dryrun=true hangs a
// scheduler for good and is
// not offered; /inference_version always answers 500.
const COMMON = [
  "GET /metrics",
  "POST /metrics/reset",
  "GET /env",
  "GET /threads",
  "GET /threads?name=main",
  "GET /loglevel",
  "GET /loglevel?logger_name=lmcache",
  "GET /periodic-threads",
  "GET /periodic-threads?level=high",
  "GET /periodic-threads-health",
];
const VERSION = ["GET /version", "GET /lmc_version", "GET /commit_id"];
const KNOWN = {
  engine: [
    ...VERSION,
    ...COMMON,
    "GET /conf",
    "GET /conf?names=chunk_size,max_local_cpu_size",
    'POST /conf {"min_retrieve_tokens": 512}',
    "GET /meta",
    "GET /inference_info",
    "GET /backends",
    "POST /backends",
    "POST /backends/LocalDiskBackend/recreate",
    "DELETE /backends/LocalDiskBackend",
    "GET /bypass/list",
    "PUT /bypass/add?backend_name=LocalDiskBackend",
    "PUT /bypass/remove?backend_name=LocalDiskBackend",
    "GET /hot_cache/status",
    "PUT /hot_cache/enable",
    "PUT /hot_cache/disable",
    "GET /freeze/status",
    "PUT /freeze/enable",
    "PUT /freeze/disable",
    "GET /chunk_statistics/status",
    "POST /chunk_statistics/start",
    "POST /chunk_statistics/stop",
    "POST /chunk_statistics/reset",
    "GET /lookup/info",
    "POST /lookup/create",
    "POST /lookup/recreate",
    "POST /lookup/close",
    "GET /cache/kvcache/info",
    "GET /cache/kvcache/check?slot_mapping=[0,31]&chunk_size=16",
    "POST /cache/kvcache/record_slot?enabled=true",
    "POST /cache/store?tokens_mock=0,600",
    "POST /cache/retrieve?tokens_mock=0,600",
    "DELETE /cache/clear",
    "DELETE /cache/clear?locations=LocalCPUBackend",
    'POST /cache/load-fs-chunks {"config_path": "/path/to/config.yaml", "max_chunks": 100}',
  ],
  mp: [
    ...VERSION,
    ...COMMON,
    "GET /",
    "GET /status",
    "GET /healthcheck",
    "GET /config",
    "GET /config/adapters",
    "GET /quota",
    "GET /quota/user-a",
    'PUT /quota/user-a {"limit_gb": 0.5}',
    "DELETE /quota/user-a",
    'POST /cache/clear {"tier": "l1"}',
    "GET /cache/objects?tier=l2&page_size=20",
    'POST /cache/prefetches {"model_name": "", "world_size": 1, "token_ids": []}',
    "GET /reconfigure/fs/l2/status",
    "GET /reconfigure/dax/l1/status",
  ],
  coordinator: [
    "GET /healthz",
    "GET /instances",
    "GET /instances/usage",
    "GET /directory/stats",
    "GET /directory/keys?limit=20",
    "GET /quota",
    "GET /quota/config",
    'PUT /quota/config {"default_limit_gb": 2.0}',
    'PUT /quota/user-a {"limit_gb": 1.5}',
    "DELETE /quota/user-a",
    "GET /cache/pins",
    "GET /metrics",
  ],
  controller: [
    ...COMMON,
    "GET /controller/workers",
    "GET /controller/key-stats",
    'POST /query_worker_info {"instance_id": "", "worker_ids": [0]}',
    'POST /health {"instance_id": ""}',
    'POST /lookup {"tokens": []}',
  ],
  discovery: ["GET /lmcache_infos", "GET /lmcache_infos?hour=1"],
  frontend: [
    "GET /health",
    "GET /api/status",
    "GET /api/nodes",
    "GET /api/proxies",
    "GET /metrics",
    "GET /api/sd",
  ],
};
const MOST_SENT = 20; // requests remembered below the answer
const MOST_SHOWN = 500000; // characters of an answer

const words = (entry) => {
  const [, verb, where, template = ""] = /^(\S+) (\S+) ?(.*)$/.exec(entry);
  return { verb, where, template };
};

/** A response in one line: status, time, size and type. */
function resultLine(answer) {
  return [
    `${answer.ok ? "●" : "■"} ${answer.status} ${answer.statusText}`,
    format(answer.seconds, "seconds"),
    format(new Blob([answer.text]).size, "bytes"),
    answer.type || "no content type",
  ].join(" · ");
}

export function mount(root, ctx) {
  const node = ctx.node();
  const entries = (KNOWN[node.kind] || KNOWN.engine).map(words);
  const method = h(
    "select",
    { "aria-label": "Method" },
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].map((name) =>
      h("option", { value: name }, name),
    ),
  );
  const path = h("input", {
    "aria-label": "Path",
    list: "known-paths",
    spellcheck: "false",
    autocomplete: "off",
    class: "mono",
    required: true,
  });
  path.value = entries[0].where;
  const paths = [...new Set(entries.map(({ where }) => where))];
  const known = h(
    "datalist",
    { id: "known-paths" },
    paths.map((where) =>
      h(
        "option",
        { value: where },
        entries
          .filter((one) => one.where === where)
          .map((one) => one.verb)
          .join(", "),
      ),
    ),
  );
  const headers = h("textarea", {
    rows: 2,
    spellcheck: "false",
    placeholder: "Accept: application/json",
  });
  const body = h("textarea", {
    rows: 5,
    spellcheck: "false",
    placeholder: '{"min_retrieve_tokens": 512}',
  });
  const status = h("p", { class: "result", role: "status" });
  const heads = h(
    "details",
    { hidden: true },
    h("summary", { class: "muted" }, "Response headers"),
  );
  const output = h("pre", {
    class: "block",
    tabindex: "0",
    hidden: true,
    "aria-label": "Response",
  });
  const log = h("ul", { class: "sent" });
  let offered = ""; // the body that was filled in with a known path
  const sent = h("div", { hidden: true }, h("h3", {}, "Sent"), log);
  const send = button("Send", null, { kind: "primary" });
  send.type = "submit";

  function readHeaders() {
    const found = {};
    for (const line of headers.value.split("\n")) {
      const at = line.indexOf(":");
      if (at > 0) found[line.slice(0, at).trim()] = line.slice(at + 1).trim();
    }
    const text = body.value.trim();
    if (
      text &&
      !bodiless() &&
      !Object.keys(found).some((name) => name.toLowerCase() === "content-type") &&
      /^[[{]/.test(text)
    )
      found["Content-Type"] = "application/json";
    return found;
  }
  /** A line of what was sent; it fills the form again. */
  function remember(outcome, where) {
    const again = { method: method.value, where, headers: headers.value, body: body.value };
    log.prepend(
      h(
        "li",
        {},
        button(
          `${outcome}  ${again.method} ${where}`,
          () => {
            method.value = again.method;
            path.value = again.where;
            headers.value = again.headers;
            body.value = again.body;
            lock();
            path.focus();
          },
          { kind: "small bare", title: "Fill the form with this request" },
        ),
      ),
    );
  }
  const bodiless = () => ["GET", "HEAD", "OPTIONS"].includes(method.value);
  const options = () => ({
    method: method.value,
    headers: readHeaders(),
    body: bodiless() || !body.value.trim() ? undefined : body.value,
  });

  /** A known path brings its method and a body to start from; what was typed is not overwritten. */
  function follow(event) {
    const found = entries.filter((one) => one.where === path.value);
    if (
      event &&
      event.target === path &&
      found.length &&
      !found.some((one) => one.verb === method.value)
    )
      method.value = found[0].verb;
    const one = found.find(({ verb }) => verb === method.value);
    if (one && (body.value === "" || body.value === offered)) {
      body.value = one.template;
      offered = one.template;
    }
    lock();
  }
  function lock() {
    const locked = !bodiless() && !trusted();
    send.disabled = locked || send.dataset.busy === "1";
    send.title = locked ? "Read-only. To make changes, enter the access token." : "";
    if (locked) setText(status, `Only GET, HEAD and OPTIONS: ${whyNot()}`);
    else if (status.textContent.startsWith("Only GET")) setText(status, "");
  }
  path.addEventListener("input", follow);
  method.addEventListener("change", follow);
  subscribe(lock, ctx.signal);

  const form = h(
    "form",
    { class: "request", novalidate: true },
    h(
      "div",
      { class: "tools" },
      method,
      path,
      known,
      send,
      button(
        "Copy as curl",
        () => copy(curl(nodePath(ctx.node(), path.value), options()), "curl command copied"),
        { image: "copy" },
      ),
    ),
    h(
      "div",
      { class: "split" },
      field("Headers", headers),
      field("Body", body, "Sent with POST, PUT, PATCH and DELETE. JSON is recognised."),
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const where = path.value.startsWith("/") ? path.value : "/" + path.value;
    if (send.disabled) return;
    if (
      method.value === "DELETE" &&
      !(await confirmDialog({
        title: `Send DELETE to ${ctx.node().key}?`,
        text: where,
        action: "Send",
      }))
    )
      return;
    if (
      /\/lookup\/create\b.*dryrun/.test(where) &&
      !(await confirmDialog({
        title: "This request hangs a scheduler",
        text: "On LMCache 0.5.6 it never returns on a scheduler, and the server must be restarted.",
        action: "Send anyway",
      }))
    )
      return;
    send.dataset.busy = "1";
    lock();
    status.className = "result";
    setText(status, "Waiting …");
    const time = clock(Date.now() / 1000);
    try {
      const answer = await ctx.request(where, options());
      setText(status, resultLine(answer));
      status.className = `result state ${answer.ok ? "up" : "down"}`;
      heads.hidden = false;
      replace(
        heads,
        heads.firstChild,
        h(
          "pre",
          { class: "block" },
          answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n"),
        ),
      );
      let text = answer.text;
      if (/json/.test(answer.type) || /^\s*[[{]/.test(text)) {
        try {
          text = JSON.stringify(
            parseJson(text),
            (key, value) =>
              typeof value === "number" && !Number.isFinite(value) ? String(value) : value,
            2,
          );
        } catch (error) {
          /* shown as it came */
        }
      }
      replace(
        output,
        text.slice(0, MOST_SHOWN) || "(empty)",
        text.length > MOST_SHOWN
          ? `\n… ${format(text.length - MOST_SHOWN, "count")} characters more`
          : null,
      );
      output.hidden = false;
      remember(`${time}  ${answer.status}  ${format(answer.seconds, "seconds")}`, where);
    } catch (error) {
      if (error.name === "AbortError") return;
      status.className = "result state down";
      setText(status, `■ ${error.message}`);
      remember(`${time}  ${error.message}`, where);
    } finally {
      send.dataset.busy = "";
      lock();
    }
    while (log.children.length > MOST_SENT) log.lastChild.remove();
    sent.hidden = false;
  });
  root.append(
    h(
      "section",
      { class: "panel", "aria-label": "Requests" },
      h(
        "header",
        { class: "panel-head" },
        h("h2", {}, "Requests"),
        h("p", { class: "muted" }, "sent to this node as they are"),
      ),
      form,
      status,
      heads,
      output,
      sent,
    ),
  );
  follow();
}
