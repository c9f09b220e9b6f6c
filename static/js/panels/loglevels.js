// Loggers with their own and their effective level; setting one, or all that begin alike.

import { button, guarded, searchBox, toast, working } from "../controls.js";
import { append, h, replace, setText } from "../dom.js";
import { plain, plural } from "../format.js";
import { panelFrame } from "../panel.js";
import { each } from "../server.js";
import { DataTable } from "../table.js";
import { breakable } from "./util.js";

export const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/**
 * "name: LEVEL" lines, with the level that a logger without its own takes from the next one above
 * that has one.
 */
export function parseLevels(text) {
  const rows = [];
  for (const line of text.split("\n")) {
    const match = /^(\S.*): ([A-Z]+|Level \d+|\d+)$/.exec(line.trim());
    if (match) rows.push({ name: match[1], level: match[2] });
  }
  const own = new Map(rows.map((row) => [row.name, row.level]));
  for (const row of rows) {
    row.effective = row.level;
    for (
      let name = row.name;
      row.effective === "NOTSET";
      name = name.slice(0, name.lastIndexOf("."))
    ) {
      if (!name.includes(".")) {
        row.effective = own.get("root") || "WARNING";
        break;
      }
      row.effective = own.get(name.slice(0, name.lastIndexOf("."))) || "NOTSET";
    }
  }
  return rows;
}

/** A GET that changes state, as LMCache has it. */
export const levelPath = (logger, level) =>
  `/loglevel?logger_name=${encodeURIComponent(logger)}&level=${level.toLowerCase()}`;

const own = (level) => (level === "NOTSET" ? "not set" : level);
const isOurs = (row) => row.name === "lmcache" || row.name.startsWith("lmcache.");
const GROUPS = [
  ["lmcache", "LMCache", isOurs],
  ["", "All", null],
  ["other", "Other libraries", (row) => !isOurs(row)],
];

export function mount(root, ctx) {
  let rows = [];
  let group = "lmcache";
  const note = h("span", { class: "progress", "aria-live": "polite" });
  const table = new DataTable({
    label: "Loggers",
    key: (row) => row.name,
    sort: { id: "name", down: false },
    emptyText: "This node reported no loggers.",
    columns: [
      {
        id: "name",
        label: "Logger",
        head: true,
        width: 320,
        narrow: 140,
        grow: true,
        cls: "mono",
        value: (row) => row.name,
        sig: (row) => row.name,
        render: (row) => breakable(row.name),
        tip: (row) => row.name,
      },
      {
        id: "level",
        label: "Own level",
        width: 110,
        drop: 2,
        value: (row) => LEVELS.indexOf(row.level),
        text: (row) => own(row.level),
        search: (row) => own(row.level),
      },
      {
        id: "effective",
        label: "Effective",
        width: 110,
        drop: 1,
        title: "the own level, or that of the next logger above that has one",
        value: (row) => LEVELS.indexOf(row.effective),
        text: (row) => row.effective,
        search: (row) => row.effective,
      },
      {
        id: "set",
        label: "Set to",
        width: 210,
        narrow: 162,
        sort: false,
        find: false,
        value: () => 0,
        sig: (row) => row.level,
        render: levelBox,
      },
    ],
  });
  const search = searchBox("Search loggers", (text) => {
    table.search(text);
    return table.found;
  });
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Loggers of" });

  function showGroup() {
    const found = GROUPS.find(([id]) => id === group);
    replace(
      chips,
      GROUPS.map(([id, label, keep]) =>
        h(
          "button",
          {
            type: "button",
            class: "small",
            "aria-pressed": String(id === group),
            onclick: () => {
              group = id;
              showGroup();
            },
          },
          label,
          " ",
          h("span", { class: "muted" }, plain(keep ? rows.filter(keep).length : rows.length)),
        ),
      ),
    );
    table.filter(found[2]);
  }

  /** A choice and a button: a choice alone would act on every arrow key. */
  function levelBox(row) {
    const box = h(
      "select",
      { "aria-label": `Level of ${row.name}`, class: "in-row", value: row.level },
      h("option", { value: "NOTSET" }, "not set"),
      LEVELS.map((level) => h("option", { value: level }, level)),
    );
    const set = button(
      "Set",
      () =>
        working(set, async () => {
          const said = await ctx.text(levelPath(row.name, box.value));
          toast(`${row.name}: ${own(row.level)} → ${own(box.value)}. ${said.trim()}`, "good");
          await frame.run();
        }),
      { kind: "small in-row", title: `Set the level of ${row.name}` },
    );
    const wait = () => {
      set.dataset.off = box.value === row.level ? "1" : "";
      set.disabled = set.dataset.off === "1" || set.dataset.refused === "1";
    };
    box.addEventListener("change", wait);
    guarded(box, ctx.signal, ctx.node);
    set.dataset.off = "1";
    return h("span", { class: "level-pick" }, box, guarded(set, ctx.signal, ctx.node));
  }

  const prefix = h("input", {
    name: "prefix",
    placeholder: "e.g. lmcache.v1",
    spellcheck: "false",
    autocomplete: "off",
    list: "logger-names",
  });
  const names = h("datalist", { id: "logger-names" });
  const level = h(
    "select",
    { "aria-label": "Level to set" },
    LEVELS.map((one) => h("option", { value: one }, one)),
  );
  level.value = "INFO";
  const beginning = () => {
    const wanted = prefix.value.trim();
    return wanted ? rows.filter((row) => row.name.startsWith(wanted)) : [];
  };
  prefix.addEventListener("input", () =>
    setText(
      note,
      prefix.value.trim()
        ? `${plural(beginning().length, "logger")} match${beginning().length === 1 ? "es" : ""}`
        : "",
    ),
  );
  const go = button("Set all", () =>
    working(go, async () => {
      const hits = beginning();
      if (!hits.length) {
        setText(note, prefix.value.trim() ? "No logger matches." : "Enter a prefix.");
        prefix.focus();
        return;
      }
      let failed = "";
      let done = 0;
      let bad = 0;
      await each(
        hits,
        (row) => ctx.text(levelPath(row.name, level.value)),
        (row, said, error) => {
          done += 1;
          if (error) {
            bad += 1;
            failed = error.message;
          }
          setText(note, `${done} of ${hits.length}`);
        },
        4,
      );
      setText(note, "");
      toast(
        `${plural(hits.length - bad, "logger")} set to ${level.value}` +
          (bad ? `; ${bad} failed: ${failed}` : ""),
        bad ? "bad" : "good",
      );
      await frame.run();
    }),
  );
  guarded(go, ctx.signal, ctx.node);

  const frame = panelFrame({
    title: "Log levels",
    path: "/loglevel",
    ctx,
    load: async () => {
      const raw = await ctx.text("/loglevel");
      let top = ""; // the list leaves the root logger out, which decides for all that have no level
      try {
        top = (await ctx.text("/loglevel?logger_name=root")).trim();
      } catch (error) {
        if (error.name === "AbortError") throw error;
      }
      return { data: /^root: /.test(top) && !/^root: /m.test(raw) ? `${raw}\n${top}` : raw, raw };
    },
    render: (text, body) => {
      rows = parseLevels(text);
      if (!rows.some(isOurs)) group = "";
      table.update(rows);
      showGroup();
      names.replaceChildren(...rows.slice(0, 300).map((row) => h("option", { value: row.name })));
      append(
        body,
        h(
          "div",
          { class: "tools" },
          search,
          chips,
          h("span", { class: "spring" }),
          h("label", { class: "prefix" }, "All that begin with", prefix),
          names,
          level,
          go,
          note,
        ),
        table.element,
      );
    },
  });
  root.append(frame.element);
}
