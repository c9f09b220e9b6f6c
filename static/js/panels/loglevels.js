// Loggers with their own and their effective level; setting one, or all that begin alike.

import { each } from "../api.js";
import { h, setText } from "../dom.js";
import { plural } from "../format.js";
import { toast } from "../toast.js";
import { button, dataTable, guarded, panelFrame, searchBox, working } from "../ui.js";

export const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/** "name: LEVEL" lines. */
export function parseLevels(text) {
  const rows = [];
  for (const line of text.split("\n")) {
    const match = /^(\S.*): ([A-Z]+|Level \d+|\d+)$/.exec(line.trim());
    if (match) rows.push({ name: match[1], level: match[2] });
  }
  const own = new Map(rows.map((row) => [row.name, row.level]));
  for (const row of rows) {
    row.effective = row.level;
    for (let name = row.name; row.effective === "NOTSET"; name = name.slice(0, name.lastIndexOf("."))) {
      if (!name.includes(".")) { row.effective = own.get("root") || "WARNING"; break; }
      row.effective = own.get(name.slice(0, name.lastIndexOf("."))) || "NOTSET";
    }
  }
  return rows;
}

/** A GET that changes state, as LMCache has it. */
export const levelPath = (logger, level) => `/loglevel?logger_name=${encodeURIComponent(logger)}&level=${level.toLowerCase()}`;

export function mount(root, ctx) {
  let rows = [];
  const note = h("span", { class: "progress", "aria-live": "polite" });
  const table = dataTable({
    label: "Loggers", key: (row) => row.name, sort: { id: "name", down: false }, emptyText: "This node told of no loggers.",
    columns: [
      { id: "name", label: "Logger", head: true, width: 320, grow: true, cls: "mono", value: (row) => row.name },
      { id: "level", label: "Own level", width: 120, value: (row) => row.level, text: (row) => (row.level === "NOTSET" ? "not set" : row.level) },
      { id: "effective", label: "Effective", width: 120, value: (row) => LEVELS.indexOf(row.effective), text: (row) => row.effective, search: (row) => row.effective },
      { id: "set", label: "Set to", width: 150, sort: false, find: false, value: () => 0, sig: (row) => row.level, render: (row) => guarded(levelBox(row), ctx.signal) },
    ],
  });
  const search = searchBox("Search loggers", (text) => { table.search(text); return table.shown.length; });

  function levelBox(row) {
    const box = h("select", { "aria-label": `Level of ${row.name}`, class: "in-row" }, h("option", { value: "" }, "…"), LEVELS.map((level) => h("option", { value: level }, level)));
    box.addEventListener("change", () => working(box, async () => {
      const before = row.level;
      const said = await ctx.text(levelPath(row.name, box.value));
      toast(`${row.name}: ${before === "NOTSET" ? "not set" : before} → ${box.value}. ${said.trim()}`, "good");
      await frame.run();
    }));
    return box;
  }

  const prefix = h("input", { name: "prefix", placeholder: "e.g. lmcache.v1.storage_backend", "aria-label": "Loggers that begin with", spellcheck: "false", autocomplete: "off", list: "logger-names" });
  const names = h("datalist", { id: "logger-names" });
  const level = h("select", { "aria-label": "Level to set" }, LEVELS.map((one) => h("option", { value: one }, one)));
  level.value = "INFO";
  const go = button("Set all", () => working(go, async () => {
    const wanted = prefix.value.trim();
    const hits = rows.filter((row) => row.name === wanted || row.name.startsWith(wanted + ".") || (wanted && row.name.startsWith(wanted)));
    if (!wanted || !hits.length) { setText(note, wanted ? "No logger begins with that." : "Say how the loggers begin."); prefix.focus(); return; }
    let failed = 0;
    let done = 0;
    await each(hits, (row) => ctx.text(levelPath(row.name, level.value)), (row, said, error) => { done += 1; failed += error ? 1 : 0; setText(note, `${done} of ${hits.length}`); }, 4);
    setText(note, "");
    toast(`${plural(hits.length - failed, "logger")} set to ${level.value}${failed ? `, ${failed} failed` : ""}`, failed ? "bad" : "good");
    await frame.run();
  }));
  guarded(go, ctx.signal);

  const frame = panelFrame({
    title: "Log levels", path: "/loglevel", ctx, load: async () => { const raw = await ctx.text("/loglevel"); return { data: raw, raw }; },
    render: (text, body) => {
      rows = parseLevels(text);
      table.update(rows);
      names.replaceChildren(...rows.slice(0, 300).map((row) => h("option", { value: row.name })));
      body.append(h("div", { class: "tools" }, search, h("span", { class: "spring" }), h("label", {}, "All that begin with", prefix), names, level, go, note), table.element);
    },
  });
  root.append(frame.element);
}
