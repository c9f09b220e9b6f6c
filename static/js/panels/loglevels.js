// Loggers with their own and their effective level; setting one, or all that begin alike.

import { button, guarded, sayMatches, searchBox, setOff, toast, working } from "../controls.js";
import { append, breakable, h, replace, setText } from "../dom.js";
import { plain, plural } from "../format.js";
import { changeFields, markWrong } from "../forms.js";
import { panelFrame } from "../panel.js";
import { each } from "../server.js";
import { DataTable } from "../table.js";

export const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const MOST_NAMES = 300; // loggers offered while a prefix is typed

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
// A root logger without a level lets everything through.
const effective = (level) => (level === "NOTSET" ? "all levels" : level);
const isOurs = (row) => row.name === "lmcache" || row.name.startsWith("lmcache.");
const GROUPS = [
  ["lmcache", "LMCache", isOurs],
  ["", "All", null],
  ["other", "Other libraries", (row) => !isOurs(row)],
];

const nameColumn = {
  id: "name",
  label: "Logger",
  head: true,
  width: 320,
  narrow: 112,
  grow: true,
  cls: "mono",
  value: (row) => row.name,
  sig: (row) => row.name,
  render: (row) => breakable(row.name),
  tip: (row) => row.name,
};

const columns = (panel) => [
  nameColumn,
  {
    id: "level",
    label: "Level",
    cls: "own-level",
    width: 110,
    drop: 2,
    value: (row) => LEVELS.indexOf(row.level),
    text: (row) => own(row.level),
    search: (row) => own(row.level),
  },
  {
    id: "effective",
    label: "Effective level",
    cls: "effective",
    width: 110,
    title:
      "The logger’s level or, where it is not set, that of the nearest parent with one. " +
      "If none has a level, not even root, messages of all levels are logged.",
    value: (row) => LEVELS.indexOf(row.effective),
    text: (row) => effective(row.effective),
    search: (row) => effective(row.effective),
  },
  {
    id: "set",
    label: "Set to",
    width: 182,
    narrow: 150,
    sort: false,
    find: false,
    value: () => 0,
    sig: (row) => row.level,
    render: (row) => levelBox(panel, row),
  },
];

const levelOptions = () => LEVELS.map((level) => h("option", { value: level }, level));

/** A choice and a button: a choice alone would act on every arrow key. */
function levelBox(panel, row) {
  const { ctx } = panel;
  const box = h(
    "select",
    { "aria-label": `Level of ${row.name}`, class: "in-row", value: row.level },
    h("option", { value: "NOTSET" }, "not set"),
    levelOptions(),
  );
  const send = async () => {
    const said = (await ctx.text(levelPath(row.name, box.value))).trim();
    const more = said.includes(row.name) && said.includes(box.value) ? "" : `. ${said}`;
    toast(`${row.name}: ${own(row.level)} → ${own(box.value)}${more}`, "good");
    await panel.frame.run();
    panel.focusOn(row.name);
  };
  const set = button("Set", () => working(set, send), {
    kind: "small in-row",
    name: `Set the level of ${row.name}`,
  });
  box.addEventListener("change", () => {
    setOff(set, box.value === row.level);
  });
  guarded(box, ctx.signal, ctx.node);
  set.dataset.off = "1";
  return h("span", { class: "level-pick" }, box, guarded(set, ctx.signal, ctx.node));
}

/** Set the level of all loggers whose names begin alike. */
class PrefixForm {
  constructor(panel) {
    this.panel = panel;
    const { ctx } = panel;
    this.note = h("span", { class: "progress", id: "prefix-note", "aria-live": "polite" });
    this.prefix = h("input", {
      name: "prefix",
      placeholder: "e.g. lmcache.v1",
      spellcheck: "false",
      autocomplete: "off",
      list: "logger-names",
    });
    this.names = h("datalist", { id: "logger-names" });
    this.level = h("select", { "aria-label": "Level to set", value: "INFO" }, levelOptions());
    this.go = button("Set all", () => working(this.go, () => this.#setAll()));
    guarded(this.go, ctx.signal, ctx.node);
    this.prefix.addEventListener("input", () => this.#say());
    const label = h("label", { class: "prefix" }, "Loggers that begin with", this.prefix);
    const fields = changeFields(ctx.signal, label, this.names, this.level);
    this.parts = [fields, this.go, this.note];
  }

  offer(rows) {
    const names = rows.slice(0, MOST_NAMES).map((row) => h("option", { value: row.name }));
    this.names.replaceChildren(...names);
  }

  #hits() {
    const wanted = this.prefix.value.trim();
    return wanted ? this.panel.rows.filter((row) => row.name.startsWith(wanted)) : [];
  }

  #say() {
    const count = this.#hits().length;
    const text = `${plural(count, "logger")} match${count === 1 ? "es" : ""}`;
    setText(this.note, this.prefix.value.trim() ? text : "");
    markWrong(this.prefix, this.note, false);
  }

  async #setAll() {
    const hits = this.#hits();
    const { ctx, frame } = this.panel;
    const level = this.level.value;
    if (!hits.length) {
      setText(this.note, this.prefix.value.trim() ? "No logger matches." : "Enter a prefix.");
      markWrong(this.prefix, this.note, true);
      this.prefix.focus();
      return;
    }
    const errors = [];
    let done = 0;
    const count = (row, said, error) => {
      done += 1;
      if (error) errors.push(error.message);
      setText(this.note, `${done} of ${hits.length}`);
    };
    await each(hits, (row) => ctx.text(levelPath(row.name, level)), count);
    setText(this.note, "");
    const failed = errors.length ? `; ${errors.length} failed: ${errors[0]}` : "";
    const text = `${plural(hits.length - errors.length, "logger")} set to ${level}${failed}`;
    toast(text, failed ? "bad" : "good");
    await frame.run();
  }
}

class LogLevels {
  constructor(ctx) {
    this.ctx = ctx;
    this.rows = [];
    this.group = "lmcache";
    this.table = new DataTable({
      label: "Loggers",
      key: (row) => row.name,
      sort: { id: "name", down: false },
      emptyText: "This node reported no loggers.",
      columns: columns(this),
    });
    this.search = searchBox("Search loggers", (text) => this.table.search(text));
    this.search.classList.add("wide");
    this.chips = h("div", { class: "chips", role: "group", "aria-label": "Loggers of" });
    this.form = new PrefixForm(this);
    this.frame = panelFrame({
      title: "Log levels",
      path: "/loglevel",
      ctx,
      load: () => loadLevels(ctx),
      render: (text, body) => this.#render(text, body),
    });
  }

  /** The button that was pressed is gone with its old row: the focus goes to its choice. */
  focusOn(name) {
    const boxes = [...this.table.element.querySelectorAll("select")];
    const box = boxes.find((one) => one.getAttribute("aria-label") === `Level of ${name}`);
    if (box && document.activeElement === document.body) box.focus({ preventScroll: true });
  }

  #showGroup() {
    const { rows } = this;
    replace(
      this.chips,
      GROUPS.map(([id, label, keep]) => this.#chip(id, label, keep ? rows.filter(keep) : rows)),
    );
    this.table.filter(GROUPS.find(([id]) => id === this.group)[2]);
    sayMatches(this.search, this.table.shown.length);
  }

  #chip(id, label, rows) {
    const choose = () => {
      this.group = id;
      this.#showGroup();
    };
    const pressed = String(id === this.group);
    return h(
      "button",
      { type: "button", class: "small", "aria-pressed": pressed, onclick: choose },
      label,
      " ",
      h("span", { class: "muted" }, plain(rows.length)),
    );
  }

  #render(text, body) {
    this.rows = parseLevels(text);
    if (!this.rows.some(isOurs)) this.group = "";
    this.table.update(this.rows);
    this.#showGroup();
    this.form.offer(this.rows);
    const spring = h("span", { class: "spring" });
    const tools = h("div", { class: "tools" }, this.search, this.chips, spring, this.form.parts);
    append(body, tools, h("div", { class: "loggers" }, this.table.element));
  }
}

/** The levels of a node. Its list leaves the root logger out, which decides for all without one. */
async function loadLevels(ctx) {
  const raw = await ctx.text("/loglevel");
  let top = "";
  try {
    top = (await ctx.text("/loglevel?logger_name=root")).trim();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  const missing = /^root: /.test(top) && !/^root: /m.test(raw);
  return { data: missing ? `${raw}\n${top}` : raw, raw };
}

export function mount(root, ctx) {
  root.append(new LogLevels(ctx).frame.element);
}
