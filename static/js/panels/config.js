// Settings: searched, edited in their row, compared with the defaults and with the other processes
// of the instance.

import {
  button,
  facts,
  guarded,
  linked,
  nodeLink,
  sayMatches,
  searchBox,
  toast,
  working,
} from "../controls.js";
import { bounds, parseRoute } from "../address.js";
import { append, breakable, h, replace } from "../dom.js";
import { markWrong } from "../forms.js";
import { atWhen, byName, fullTime, plain, plural } from "../format.js";
import { panelFrame } from "../panel.js";
import { each, getEvents, getJson, nodePath, store, subscribe, trusted } from "../server.js";
import { DataTable } from "../table.js";
import { tree } from "../tree.js";
import { DEFAULTS } from "./defaults.js";
import { SETTABLE } from "../words.js";
import { limitText } from "./kinds.js";
import { aboutSetting, TOPIC_NAMES } from "./settings.js";
import { flatten, quoted, readEither } from "./util.js";

/** A value as readValue() reads it. */
export const show = (value) =>
  value === undefined
    ? "–"
    : typeof value === "string"
      ? quoted(value)
      : typeof value === "number"
        ? String(value)
        : JSON.stringify(value);

// [px of the table up to which, px of the values]; from the last on they have WIDE_VALUES.
const VALUE_WIDTHS = [
  [1080, 186],
  [1280, 206],
];
const WIDE_VALUES = 264; // px
// [px of the table up to which, px of the defaults]: the longest is on one line where there is
// nothing beside it, and on two where it would squeeze what a setting does.
const DEFAULT_WIDTHS = [
  [697, 86],
  [1000, 156],
];
const BESIDE_WORDS = 112; // px
const DIFFERS = "◆ Differs within the instance:"; // where the column of the instance has no room
const MOST_SIBLINGS = 16; // nodes of the instance that are compared
const LEAST_SEARCHED = 8; // entries from which a tree has a search
const RECENT = 86400; // seconds for which a setting that changed is marked
const wrong = (text) => Object.assign(new Error(text), { field: "value" });

/** A text that may be typed in quotes, as JSON. */
function readText(text) {
  if (!/^\s*".*"\s*$/s.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    return text;
  }
}

/** What was typed, as a value of the same type as the old one; throws what is wrong with it. */
export function readValue(text, old, fallback) {
  const word = text.trim();
  if (word === "null" && (old === null || fallback === null)) return null;
  if (typeof old === "string") return readText(text);
  // JSON has no such number; LMCache reads it from a string.
  if (typeof old === "number" && /^-?Infinity$/.test(word)) return word;
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (old === null && word) return text;
    throw wrong(
      typeof old === "number"
        ? "Enter a number."
        : typeof old === "boolean"
          ? "Enter true or false."
          : old === null
            ? "Enter a value."
            : `Not valid JSON: ${error.message}`,
    );
  }
  if (typeof old === "number" && typeof value !== "number") throw wrong("Enter a number.");
  if (typeof old === "boolean" && typeof value !== "boolean") throw wrong("Enter true or false.");
  if (Array.isArray(old) && !Array.isArray(value)) throw wrong("Enter a list in [ ].");
  return value;
}

const moreText = (count) => (count > 0 ? ` and ${plain(count)} more` : "");

const isSet = (row) => row.changed;
const differ = (count) => (count === 1 ? "differs" : "differ");

/** How many rows there are and are not the default, and what else is known; each stays whole. */
function countParts(rows, isCompared) {
  const changed = rows.filter(isSet).length;
  const odd = rows.filter((row) => row.differs).length;
  const texts = [
    `${plural(rows.length, "setting")}:`,
    `${plain(changed)} ${differ(changed)} from the default${isCompared ? "," : ""}`,
    isCompared && `${odd ? plain(odd) : "none"} ${differ(odd)} within the instance`,
  ];
  return texts.filter(Boolean).map((text) => [h("span", { class: "gap" }, text), " "]);
}

export function mount(root, ctx) {
  const { kind } = ctx.node();
  if (kind === "mp") {
    const trees = [
      ["Config", "/config", "/conf"],
      ["Live storage adapters", "/config/adapters"],
    ];
    mountTrees(root, ctx, trees, "read-only on an MP server");
  } else if (kind === "coordinator") root.append(quotaConfig(ctx));
  else root.append(new Settings(ctx).frame.element);
}

const quotaConfig = (ctx) =>
  panelFrame({
    title: "Quota configuration",
    note: "set under Cache",
    path: "/quota/config",
    ctx,
    load: () => ctx.json("/quota/config"),
    render: (data, body) => append(body, facts([["Default quota", limitText(data)]])),
  }).element;

const defaultText = (row, none) => (DEFAULTS.has(row.name) ? show(DEFAULTS.get(row.name)) : none);

/** The columns of the table of settings. */
function columns(panel) {
  const name = {
    id: "name",
    label: "Setting",
    head: true,
    width: 292,
    narrow: 114,
    cls: "mono",
    value: (row) => row.name,
    sig: (row) => row.name,
    render: (row) => breakable(row.name),
    tip: (row) => `${row.name}: ${row.about.help || "no description"}`,
  };
  const value = {
    id: "value",
    label: "Value",
    get width() {
      const room = panel.table.element.clientWidth;
      const found = VALUE_WIDTHS.find(([end]) => room < end);
      return found ? found[1] : WIDE_VALUES;
    },
    narrow: 96,
    get grow() {
      return !panel.table.fit.shows("about");
    },
    cls: "mono",
    value: (row) => (typeof row.value === "number" ? row.value : show(row.value)),
    search: (row) => show(row.value),
    sig: (row) =>
      [
        row.name === panel.editing,
        show(row.value),
        row.changed,
        (row.event || {}).time,
        row.differs,
      ].join("|"),
    render: (row, fit) => [
      row.name === panel.editing ? panel.formOf(row) : valueOf(row),
      row.name === panel.editing && !fit.shows("about") ? editHint(row) : null,
      changeLink(row, panel.ctx.node()),
      row.differs && !fit.shows("differs")
        ? h("span", { class: "cell-more odd-mark" }, linked(`${DIFFERS} ${row.differs}`))
        : null,
    ],
  };
  return [name, value, ...factColumns(panel), editColumn(panel)];
}

const valueOf = (row) =>
  h(
    "span",
    { class: row.changed ? "changed" : null, title: show(row.value) },
    breakable(show(row.value)),
  );

/** What to know of the value that is entered; it stands where there is room for it. */
const editHint = (row) =>
  h(
    "small",
    { class: "edit-hint", id: `hint-${row.name}` },
    `Current value: ${show(row.value)}. A change lasts until the node restarts; ` +
      "the node may refuse it.",
  );

/** How and when a setting was changed, as a link to the events; null when not lately. */
function changeLink({ name, event }, node) {
  if (!event) return null;
  const [before, after] = event.changes[name];
  const { start, end } = bounds(store.status.time);
  const isShown = event.time >= start && event.time <= end;
  return h(
    "a",
    {
      class: "changed-at",
      href: `${isShown ? "" : "?last=24h"}${nodeLink(node, "events")}`,
      title: `${before} → ${after} at ${fullTime(event.time)}`,
    },
    `${before} → ${after} ${atWhen(event.time, store.status.time)}`,
  );
}

function factColumns(panel) {
  return [
    {
      id: "about",
      label: "What it does",
      width: 216,
      grow: true,
      drop: 4,
      cls: "muted wrap",
      sort: false,
      value: (row) => row.about.help,
      sig: (row) => `${row.name === panel.editing}${show(row.value)}`,
      render: (row) => [row.about.help, row.name === panel.editing ? editHint(row) : null],
      tip: (row) => row.about.help,
    },
    {
      id: "default",
      label: "Default",
      get width() {
        const { clientWidth } = panel.table.element;
        return (DEFAULT_WIDTHS.find(([most]) => clientWidth <= most) || [0, BESIDE_WORDS])[1];
      },
      drop: 1,
      cls: "mono muted wrap",
      title: "of LMCache 0.5.6",
      find: false,
      value: (row) => defaultText(row, ""),
      sig: (row) => row.name,
      render: (row) => breakable(defaultText(row, "–")),
      tip: (row) => defaultText(row, "not listed"),
    },
    {
      id: "differs",
      label: "In the instance",
      width: 290,
      cls: "wrap",
      drop: 5, // a note in the row says it, too
      title: "what the other processes of the instance have",
      value: (row) => row.differs,
      sig: (row) => `${row.differs}${panel.siblings}${panel.unasked}`,
      render: (row) =>
        row.differs
          ? h("span", { class: "odd-mark" }, linked(`◆ ${row.differs}`))
          : h("span", { class: "muted" }, panel.sameText()),
      tip: (row) => row.differs,
    },
  ];
}

const editColumn = (panel) => ({
  id: "edit",
  label: "Actions",
  width: 64,
  narrow: 60,
  sort: false,
  find: false,
  value: () => 0,
  sig: (row) => String(row.name === panel.editing),
  render: (row) =>
    row.name === panel.editing
      ? null
      : guarded(
          button("Edit", () => panel.edit(row.name), {
            kind: "small in-row",
            name: `Edit ${row.name}`,
          }),
          panel.ctx.signal,
          panel.ctx.node,
        ),
});

const LATELY = "Changed recently";
const SET = "Not the default";
const GROUPS = [LATELY, SET, ...TOPIC_NAMES];
const groupOf = (row) => (row.event ? LATELY : row.changed ? SET : row.about.topic);

/** Settings that changed lately are in no other group: how many of them are not the default. */
function latelyNote(rows) {
  const count = rows.filter(isSet).length;
  const some = count < rows.length ? ` ${plain(count)}` : "";
  return count ? `,${some} not the default` : "";
}

/** Settings that changed lately, those that are not the default, and the others by topic. */
const BY_TOPIC = {
  of: groupOf,
  rank: ([row]) => GROUPS.indexOf(groupOf(row)),
  head: (rows, name) => {
    const text = plain(rows.length) + (name === LATELY ? latelyNote(rows) : "");
    const title = name === LATELY ? "changed in the last 24 h" : null;
    return {
      sig: name + text,
      parts: [h("b", { title }, name), h("span", { class: "muted" }, text)],
    };
  },
};

/** A setting's row as a form: Enter sets, Escape leaves it, an error stands under the field. */
class EditForm {
  constructor(panel, row) {
    this.panel = panel;
    this.row = row;
    this.input = this.#makeInput();
    this.error = h("span", {
      class: "field-error",
      id: `value-${row.name}`,
      role: "alert",
      hidden: true,
    });
    const label = `Set ${row.name}`;
    const look = { type: "submit", class: "small in-row primary", "aria-label": label };
    this.go = h("button", look, "Set");
    const { ctx } = panel;
    this.element = h(
      "form",
      { class: "in-place", novalidate: true },
      this.input,
      guarded(this.go, ctx.signal, ctx.node),
      button("Cancel", () => panel.edit(""), { kind: "small in-row" }),
      this.error,
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      panel.edit("");
    });
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      working(this.go, () => this.#submit());
    });
  }

  #makeInput() {
    const old = this.row.value;
    const words = (word) => h("option", { value: word }, word);
    let input = h("input", { name: "value", autocomplete: "off", spellcheck: "false" });
    if (typeof old === "boolean")
      input = h("select", { name: "value" }, ["true", "false"].map(words));
    else if (old !== null && typeof old === "object")
      input = h("textarea", { name: "value", rows: 3, spellcheck: "false" });
    input.value = show(old);
    input.setAttribute("aria-label", `New value of ${this.row.name}`);
    input.setAttribute("aria-describedby", `hint-${this.row.name}`);
    return input;
  }

  async #submit() {
    const { row, input, panel } = this;
    this.error.hidden = true;
    markWrong(input, this.error, false);
    try {
      const value = readValue(input.value, row.value, DEFAULTS.get(row.name));
      const now = await setSetting(panel.ctx, row.name, value);
      toast(`${row.name}: ${show(row.value)} → ${show(now)}`, "good");
      await panel.frame.run();
      panel.edit("");
    } catch (problem) {
      if (problem.name === "AbortError") throw problem;
      this.error.replaceChildren(`■ ${problem.message}`);
      this.error.hidden = false;
      markWrong(input, this.error, true);
      input.focus();
    }
  }
}

/** Set a setting of a node; resolves with the value that it has now. */
async function setSetting(ctx, name, value) {
  let answer;
  try {
    answer = await ctx.send("POST", "/conf", { [name]: value });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // LMCache 0.5.6 takes an infinite number and then fails to answer with it: look whether it is
    // set.
    if (error.status === 500 && /Infinity$/.test(value)) {
      const { data } = await ctx.json(`/conf?names=${encodeURIComponent(name)}`);
      if (data[name] === Number(value)) return data[name];
    }
    throw new Error(settingError(error, name));
  }
  if (answer && answer.errors && answer.errors[name]) throw new Error(answer.errors[name]);
  return answer && answer.updated && name in answer.updated ? answer.updated[name] : value;
}

/** The settings of an engine's process. */
class Settings {
  constructor(ctx) {
    this.ctx = ctx;
    this.rows = [];
    this.siblings = null; // how many others of the instance reported their settings
    this.unasked = 0; // how many did not
    this.editing = ""; // name of the setting whose row is a form now
    this.form = null; // it keeps what was typed when its row is drawn again
    this.table = new DataTable({
      label: "Settings",
      key: (row) => row.name,
      emptyText: "The node reported no settings.",
      rowClass: (row) => this.#rowClass(row),
      columns: columns(this),
    });
    this.table.group(BY_TOPIC);
    this.count = h("span", { class: "muted" });
    this.#buildTools();
    this.frame = panelFrame({
      title: "Config",
      path: "/conf",
      ctx,
      load: async () => {
        const [{ data, raw }, events] = await Promise.all([ctx.json("/conf"), this.#events()]);
        return { data: { settings: data, events }, raw };
      },
      render: (data, body) => this.#render(data, body),
    });
    subscribe(() => this.#closeForm(), ctx.signal);
  }

  /** Without trust no row stays a form. The focus stays where it is. */
  #closeForm() {
    if (trusted() || !this.editing) return;
    this.editing = "";
    this.table.update(this.rows);
  }

  /** A row may be a form, and has a note below it where the column of the instance has no room. */
  #rowClass(row) {
    const isNoted = row.differs && !this.table.fit.shows("differs");
    return [row.name === this.editing && "editing", isNoted && "noted"].filter(Boolean).join(" ");
  }

  formOf(row) {
    this.form = this.form || new EditForm(this, row);
    this.form.row = row;
    return this.form.element;
  }

  #buildTools() {
    const asked = parseRoute().query.get("q") || "";
    const find = (text) => this.table.search(text);
    this.search = searchBox("Search settings", find, { value: asked });
    this.search.classList.add("wide");
    if (asked) find(asked);
    const tests = {
      set: isSet,
      lately: (row) => Boolean(row.event),
      odd: (row) => Boolean(row.differs),
    };
    const show = () => {
      this.table.filter(tests[this.only.value] || null);
      sayMatches(this.search, this.table.shown.length);
    };
    this.only = h(
      "select",
      { "aria-label": "Show", onchange: show },
      h("option", { value: "" }, "All settings"),
      h("option", { value: "set" }, "Not the default"),
      h("option", { value: "lately" }, "Changed in the last 24 h"),
      h("option", { value: "odd" }, "Different in the instance"),
    );
  }

  sameText() {
    if (this.siblings === null) return "–";
    if (this.siblings) return "same";
    return this.unasked ? "–" : "alone";
  }

  /** Make the row of that name a form; "" makes it a row again. */
  edit(name) {
    const before = this.editing;
    this.editing = name;
    this.form = null;
    this.table.update(this.rows);
    if (!name && !before) return;
    const input = this.table.element.querySelector(".in-place [name=value]");
    if (input) {
      input.focus();
      if (input.select) input.select();
      return;
    }
    const buttons = [...this.table.element.querySelectorAll("button")];
    const back = buttons.find((one) => one.title === `Edit ${before}`);
    if (back) back.focus();
  }

  /** The changes of the node's settings in the last day, newest first. */
  async #events() {
    const query = { kind: "changed", node: this.ctx.node().key };
    const since = Math.floor(store.status.time - RECENT);
    try {
      const { events } = await getEvents({ ...query, since }, this.ctx.signal);
      return events.filter(({ changes }) => changes);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return []; // the settings are shown without marks
    }
  }

  #render({ settings, events }, body) {
    const before = new Map(this.rows.map((row) => [row.name, row.differs]));
    this.rows = Object.entries(settings).map(([name, value]) => ({
      name,
      value,
      differs: before.get(name) || "",
      about: aboutSetting(name),
      changed: DEFAULTS.has(name) && show(DEFAULTS.get(name)) !== show(value),
      event: events.find(({ changes }) => Object.hasOwn(changes, name)),
    }));
    // The newest change stands first.
    const changedAt = (row) => (row.event ? row.event.time : 0);
    this.rows.sort((a, b) => changedAt(b) - changedAt(a));
    replace(this.count, countParts(this.rows, this.siblings));
    append(body, h("div", { class: "tools" }, this.search, this.only, this.count));
    append(body, h("div", { class: "settings" }, this.table.element));
    this.table.update(this.rows);
    sayMatches(this.search, this.table.shown.length);
    this.#compareSiblings();
  }

  async #compareSiblings() {
    const me = this.ctx.node();
    const nodes = store.status && me.instance_id ? store.status.nodes : [];
    const family = nodes.filter(
      (node) =>
        node.instance_id === me.instance_id && SETTABLE.includes(node.kind) && node.key !== me.key,
    );
    const others = family.filter((node) => node.state !== "down").slice(0, MOST_SIBLINGS);
    const told = [];
    const options = { signal: this.ctx.signal, timeout: 15 };
    await each(
      others,
      (node) => getJson(nodePath(node, "/conf"), options),
      (node, conf) => {
        if (conf) told.push([node.name, conf]);
      },
    );
    if (this.ctx.signal.aborted) return;
    told.sort(([a], [b]) => byName(a, b)); // they came in the order of the responses
    this.siblings = told.length;
    this.unasked = family.length - told.length;
    for (const row of this.rows) row.differs = differenceText(row, told);
    if (told.length) replace(this.count, countParts(this.rows, true));
    this.table.update(this.rows);
  }
}

/** What others of the instance have where it differs: "0 on w1 and 2 more". */
function differenceText(row, told) {
  const odd = told.filter(([, conf]) => show(conf[row.name]) !== show(row.value));
  if (!odd.length) return "";
  const [[name, conf]] = odd;
  const value = row.name in conf ? show(conf[row.name]) : "absent";
  return `${value} on ${name}${moreText(odd.length - 1)}`;
}

export function settingError(error, name) {
  try {
    const errors = JSON.parse(error.body).errors;
    if (errors && errors[name]) return errors[name];
  } catch (problem) {
    /* not that shape */
  }
  return error.message;
}

/** Configuration that can only be read, as searchable trees: [[title, path, older path], ...]. */
function mountTrees(root, ctx, list, note) {
  for (const [title, path, older] of list) {
    let data = null;
    const box = h("div");
    const search = searchBox("Search", (text) => box.replaceChildren(tree(data, "", text)));
    root.append(
      panelFrame({
        title,
        note,
        path,
        ctx,
        load: () => readEither(ctx, path, older),
        render: (value, body) => {
          data = value;
          box.replaceChildren(tree(data, "", search.querySelector("input").value));
          const isShort = Object.keys(flatten(data)).length < LEAST_SEARCHED;
          append(body, isShort ? null : h("div", { class: "tools" }, search), box);
        },
      }).element,
    );
  }
}
