// What can be done to a node's cache. Each action says in one line what it does; what cannot be taken back asks first.

import { curl, nodePath } from "../api.js";
import { confirmDialog } from "../dialog.js";
import { h, replace } from "../dom.js";
import { format, plain } from "../format.js";
import { trusted } from "../state.js";
import { toast } from "../toast.js";
import { button, copy, explain, facts, guarded, panelFrame, tree, working } from "../ui.js";

/** One action: its name, what it does, and its buttons. */
function operation(name, text, ...buttons) {
  return h("div", { class: "op" }, h("div", {}, h("p", { class: "op-name" }, name), h("p", {}, text)), h("div", { class: "actions" }, buttons));
}

export function mount(root, ctx) {
  const kind = ctx.node().kind;
  if (kind === "mp") mountMp(root, ctx);
  else if (kind === "coordinator") mountCoordinator(root, ctx);
  else if (kind === "controller") mountController(root, ctx);
  else mountEngine(root, ctx);
}

/** A button that sends one request, says how it went, and then refreshes what it changed. */
function act(ctx, label, method, path, { danger = false, confirm = null, after = null, body } = {}) {
  const control = button(label, async () => {
    if (confirm && !(await confirmDialog({ action: label, ...confirm }))) return;
    await working(control, async () => {
      try {
        const answer = await ctx.send(method, path, body);
        toast(`${label}: ${said(answer)}`, "good");
      } catch (error) {
        if (error.name === "AbortError") throw error;
        toast(`${label}: ${explain(error, ctx.node())}`, "bad");
      }
    });
    if (after) await after();
  }, { kind: `small${danger ? " danger" : ""}` });
  return guarded(control, ctx.signal);
}

function said(answer) {
  if (answer === null || typeof answer !== "object") return String(answer ?? "done");
  if (answer.message) return answer.message;
  if (answer.bypassed !== undefined) return `${answer.backend_name} ${answer.bypassed ? "is bypassed now" : "is in use again"}`;
  if (answer.num_removed !== undefined) return `${plain(answer.num_removed)} removed`;
  const rest = Object.entries(answer).filter(([name]) => name !== "backends" && name !== "status").map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return rest.join(", ") || "done";
}

function mountEngine(root, ctx) {
  const name = ctx.node().key;
  const lists = { backends: {}, bypassed: [] };
  const backendBox = panelFrame({
    title: "Backends", path: "/backends", ctx,
    load: async () => {
      const { data, raw } = await ctx.json("/backends");
      let bypassed = null;
      try { bypassed = (await ctx.json("/bypass/list")).data.bypassed_backends; } catch (error) { if (error.name === "AbortError") throw error; }
      return { data: { backends: data, bypassed }, raw };
    },
    render: ({ backends, bypassed }, body) => {
      lists.backends = backends;
      for (const [backend, type] of Object.entries(backends)) {
        const off = bypassed && bypassed.includes(backend);
        const query = `?backend_name=${encodeURIComponent(backend)}`;
        body.append(operation(backend + (off ? " · ◆ bypassed" : ""), type === backend ? "Bypass: lookups and stores skip this backend until it ends. Recreate: close it and open it anew." : `${type}. Bypass: lookups and stores skip it. Recreate: close it and open it anew.`,
          bypassed ? act(ctx, off ? "End bypass" : "Bypass", "PUT", `/bypass/${off ? "remove" : "add"}${query}`, { after: backendBox.run }) : null,
          act(ctx, "Recreate", "POST", `/backends/${encodeURIComponent(backend)}/recreate`, { after: backendBox.run, confirm: { title: `Recreate ${backend} of ${name}?`, text: "The backend is closed and opened anew. What it holds in memory may be lost; running requests may miss." } }),
          act(ctx, "Remove", "DELETE", `/backends/${encodeURIComponent(backend)}`, { danger: true, after: backendBox.run, confirm: { title: `Remove ${backend} of ${name}?`, text: "The backend is closed. “Create missing” brings back what the configuration asks for.", typed: backend } }),
          clearButton(backend)));
      }
      body.append(operation("Create missing", "Creates the backends that the configuration asks for and that are not there.", act(ctx, "Create missing", "POST", "/backends", { after: backendBox.run })));
    },
  });

  function clearButton(backend) {
    const where = backend ? `?locations=${encodeURIComponent(backend)}` : "";
    return act(ctx, backend ? "Clear" : "Clear all", "DELETE", `/cache/clear${where}`, { danger: true, confirm: { title: backend ? `Clear ${backend} of ${name}?` : `Clear every cache of ${name}?`, text: "All cached KV chunks there are deleted. Requests compute them again. This cannot be taken back.", typed: name } });
  }

  const toggle = (title, what, path, key, on, off) => {
    const frame = panelFrame({
      title, note: what, path: `${path}/status`, ctx, load: () => ctx.json(`${path}/status`),
      render: (data, body) => {
        const now = Boolean(data[key]);
        body.append(operation(now ? `● ${on}` : `○ ${off}`, data.message || "", act(ctx, now ? "Disable" : "Enable", "PUT", `${path}/${now ? "disable" : "enable"}`, { after: () => frame.run(), confirm: path === "/freeze" && !now ? { title: `Freeze ${name}?`, text: "Nothing new is stored until freeze is ended.", danger: false } : null })));
      },
    });
    return frame.element;
  };

  const stats = panelFrame({
    title: "Chunk statistics", note: "how often chunks come again (scheduler only)", path: "/chunk_statistics/status", ctx, load: () => ctx.json("/chunk_statistics/status"),
    render: (data, body) => body.append(
      facts([["Collecting", data.enabled ? "● yes" : "○ no"], ["Requests", plain(data.total_requests ?? 0)], ["Chunks", plain(data.total_chunks ?? 0)], ["Unique chunks", plain(data.unique_chunks ?? 0)], ["Reuse rate", format(data.reuse_rate, "ratio")], ["Overhead", data.timing ? `${format(data.timing.overhead_percentage / 100, "ratio")} of lookup time` : null]]),
      h("div", { class: "actions" }, act(ctx, "Start", "POST", "/chunk_statistics/start", { after: () => stats.run() }), act(ctx, "Stop", "POST", "/chunk_statistics/stop", { after: () => stats.run() }), act(ctx, "Reset", "POST", "/chunk_statistics/reset", { after: () => stats.run(), confirm: { title: `Reset the chunk statistics of ${name}?`, text: "What was counted so far is forgotten." } }))),
  });

  const lookup = panelFrame({
    title: "Lookup", note: "client or server for lookups between scheduler and workers", path: "/lookup/info", ctx, load: () => ctx.json("/lookup/info"),
    render: (data, body) => body.append(facts([["Client", data.client], ["Server", data.server]]), h("div", { class: "actions" },
      act(ctx, "Recreate", "POST", "/lookup/recreate", { after: () => lookup.run(), confirm: { title: `Recreate the lookup of ${name}?`, text: "It is closed and made anew; lookups fail for that moment." } }))),
  });
  const shapes = panelFrame({ title: "KV cache", note: "shape, type and device of every layer", path: "/cache/kvcache/info", ctx, load: () => ctx.json("/cache/kvcache/info"), render: (data, body) => body.append(tree(data)) });

  root.append(backendBox.element, h("div", { class: "columns" }, toggle("Hot cache", "keeps what was loaded in CPU memory too", "/hot_cache", "hot_cache", "on", "off"), toggle("Freeze", "while frozen nothing new is stored", "/freeze", "freeze", "frozen", "not frozen"), stats.element, lookup.element, shapes.element,
    h("section", { class: "panel", "aria-label": "Clear" }, h("header", { class: "panel-head" }, h("h2", {}, "Clear"), h("div", { class: "panel-tools" }, button("Copy as curl", () => copy(curl(nodePath(ctx.node(), "/cache/clear"), { method: "DELETE" }), "curl command copied"), { image: "copy", kind: "small" }))),
      operation("Clear everything", "Deletes all cached KV chunks of this node in all backends. You will be asked to type its name.", clearButton("")),
      operation("Reset metrics", "Sets this process's LMCache counters to zero.", act(ctx, "Reset metrics", "POST", "/metrics/reset", { confirm: { title: `Reset the metrics of ${name}?`, text: "Counters start again at zero; charts show a step." } })))));
  root.lastChild.style.marginTop = "16px";
}

function mountMp(root, ctx) {
  const name = ctx.node().key;
  const quota = panelFrame({ title: "Quotas", path: "/quota", ctx, load: () => ctx.json("/quota"), render: (data, body) => body.append(tree(data)) });
  const clear = (label, text, body, note) => operation(label, note, act(ctx, label, "POST", "/cache/clear", { danger: true, body, confirm: { title: `${label} of ${name}?`, text, typed: name } }));
  root.append(h("section", { class: "panel", "aria-label": "Clear" }, h("header", { class: "panel-head" }, h("h2", {}, "Clear")),
    clear("Clear L1", "All objects in L1 memory that are not locked are deleted. This cannot be taken back.", { tier: "l1" }, "Deletes objects in L1 that nobody reads or writes. L2 keeps its copies."),
    clear("Clear L1 by force", "Also objects that are locked are deleted: running requests may fail.", { tier: "l1", force: true }, "Also what is locked for reading or writing. Running requests may fail.")), quota.element);
}

function mountCoordinator(root, ctx) {
  for (const [title, path] of [["Pins", "/cache/pins"], ["Quotas", "/quota"], ["Key directory", "/directory/stats"], ["Keys", "/directory/keys?limit=50"]]) {
    root.append(panelFrame({ title, path, ctx, load: () => ctx.json(path), render: (data, body) => body.append(tree(data)) }).element);
  }
}

function mountController(root, ctx) {
  if (!trusted()) root.append(h("p", { class: "note" }, "Actions are locked; see the lock at the top."));
  const frame = panelFrame({ title: "Workers", path: "/controller/workers", ctx, load: () => ctx.json("/controller/workers"), render: (data, body) => replace(body, tree(data)) });
  root.append(frame.element, h("p", { class: "muted" }, "Clearing and compressing through the controller are left to the Requests panel: in LMCache 0.5.6 the controller's /compress may hang and takes later requests to the same workers with it."));
}
