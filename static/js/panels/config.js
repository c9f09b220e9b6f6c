// Settings: searched, edited in their row, compared with the defaults and with the other processes
// of the instance.

import { button, guarded, searchBox, toast, working } from "../controls.js";
import { append, h } from "../dom.js";
import { plain, plural } from "../format.js";
import { panelFrame } from "../panel.js";
import { each, getJson, nodePath, store } from "../server.js";
import { DataTable } from "../table.js";
import { tree } from "../tree.js";
import { DEFAULTS } from "./defaults.js";
import { aboutSetting, TOPIC_NAMES } from "./settings.js";
import { breakable } from "./util.js";

export const show = (value) =>
  value === undefined
    ? "–"
    : typeof value === "string"
      ? value
      : typeof value === "number"
        ? String(value)
        : JSON.stringify(value);

/**
 * Names of settings that the node wrote with a decimal point or as Infinity: JavaScript cannot tell
 * 5.0 from 5.
 */
function decimals(raw) {
  return new Set(
    [...raw.matchAll(/"([^"\\]+)":\s*(?:-?\d+(?:\.\d+|[eE])|-?Infinity|NaN)/g)].map(
      (match) => match[1],
    ),
  );
}

const typeOf = (row) =>
  row.value === null
    ? "null"
    : Array.isArray(row.value)
      ? "list"
      : typeof row.value === "number"
        ? row.decimal || !Number.isInteger(row.value)
          ? "number"
          : "integer"
        : typeof row.value === "object"
          ? "object"
          : typeof row.value;
const MOST_SIBLINGS = 16; // nodes of the instance that are compared
const wrong = (text) => Object.assign(new Error(text), { field: "value" });

/** What was typed, as a value of the same type as the old one; throws what is wrong with it. */
export function readValue(text, old, fallback) {
  const word = text.trim();
  if (word === "null" && (old === null || fallback === null)) return null;
  if (typeof old === "string") return text;
  // JSON has no such number; LMCache reads it from a string.
  if (typeof old === "number" && /^-?Infinity$/.test(word)) return word;
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (old === null && word) return text;
    throw wrong(
      typeof old === "number"
        ? "Write a number."
        : typeof old === "boolean"
          ? "Write true or false."
          : old === null
            ? "Write a value."
            : `Not valid JSON: ${error.message}`,
    );
  }
  if (typeof old === "number" && typeof value !== "number") throw wrong("Write a number.");
  if (typeof old === "boolean" && typeof value !== "boolean") throw wrong("Write true or false.");
  if (Array.isArray(old) && !Array.isArray(value)) throw wrong("Write a list in [ ].");
  return value;
}

const moreText = (count) => (count > 0 ? ` and ${plain(count)} more` : "");

function countText(rows) {
  const changed = rows.filter((row) => row.changed).length;
  return `${plural(rows.length, "setting")}, ${plain(changed)} not the default`;
}

export function mount(root, ctx) {
  if (ctx.node().kind === "mp") {
    mountTrees(
      root,
      ctx,
      [
        ["Config", "/config"],
        ["Live storage adapters", "/config/adapters"],
      ],
      "read only on an MP server",
    );
    return;
  }
  if (ctx.node().kind === "coordinator") {
    mountTrees(root, ctx, [["Quota configuration", "/quota/config"]], "set it under Cache");
    return;
  }
  let rows = [];
  let siblings = null; // how many others of the instance told their settings
  let unasked = 0; // how many did not
  let editing = ""; // name of the setting whose row is a form now
  const table = new DataTable({
    label: "Settings",
    key: (row) => row.name,
    emptyText: "The node reported no settings.",
    rowClass: (row) => (row.name === editing ? "editing" : ""),
    columns: [
      {
        id: "name",
        label: "Setting",
        head: true,
        width: 220,
        narrow: 144,
        grow: true,
        cls: "mono",
        value: (row) => row.name,
        sig: (row) => row.name,
        render: (row) => breakable(row.name),
        tip: (row) => `${row.name}: ${row.about.help || "no description"}`,
      },
      {
        id: "value",
        label: "Value",
        width: 170,
        narrow: 104,
        grow: true,
        cls: "mono",
        value: (row) => (typeof row.value === "number" ? row.value : show(row.value)),
        search: (row) => show(row.value),
        sig: (row) => `${row.name === editing}${show(row.value)}${row.changed}`,
        render: valueCell,
      },
      {
        id: "about",
        label: "What it does",
        width: 280,
        grow: true,
        drop: 4,
        cls: "muted",
        sort: false,
        value: (row) => row.about.help,
        tip: (row) => row.about.help,
      },
      { id: "type", label: "Type", width: 76, drop: 5, value: typeOf },
      {
        id: "default",
        label: "Default",
        width: 110,
        drop: 1,
        cls: "mono muted",
        title: "of LMCache 0.5.6",
        find: false,
        value: (row) => (DEFAULTS.has(row.name) ? show(DEFAULTS.get(row.name)) : ""),
        text: (row) => (DEFAULTS.has(row.name) ? show(DEFAULTS.get(row.name)) : "–"),
        tip: (row) => (DEFAULTS.has(row.name) ? show(DEFAULTS.get(row.name)) : "not listed"),
      },
      {
        id: "differs",
        label: "In the instance",
        width: 140,
        drop: 3,
        title: "what the other processes of the instance have",
        value: (row) => row.differs,
        sig: (row) => `${row.differs}${siblings}${unasked}`,
        render: (row) =>
          row.differs
            ? h("span", { class: "odd-mark" }, row.differs)
            : h(
                "span",
                { class: "muted" },
                siblings === null ? "–" : siblings ? "same" : unasked ? "–" : "alone",
              ),
        tip: (row) => row.differs,
      },
      {
        id: "edit",
        label: "Change",
        width: 72,
        narrow: 56,
        sort: false,
        find: false,
        value: () => 0,
        sig: (row) => String(row.name === editing),
        render: (row) =>
          row.name === editing
            ? null
            : guarded(
                button("Edit", () => edit(row.name), {
                  kind: "small in-row",
                  title: `Change ${row.name}`,
                }),
                ctx.signal,
                ctx.node,
              ),
      },
    ],
  });
  table.group({
    of: (row) => row.about.topic,
    rank: ([row]) => TOPIC_NAMES.indexOf(row.about.topic),
    head: (list, name) => {
      const set = list.filter((row) => row.changed).length;
      const text = set ? `${plain(set)} of ${plain(list.length)} not the default` : "";
      return { sig: name + text, parts: [h("b", {}, name), h("span", { class: "muted" }, text)] };
    },
  });
  const search = searchBox("Search settings", (text) => {
    table.search(text);
    return table.found;
  });
  const only = h(
    "select",
    {
      "aria-label": "Show",
      onchange: () =>
        table.filter(
          { set: (row) => row.changed, odd: (row) => Boolean(row.differs) }[only.value] || null,
        ),
    },
    h("option", { value: "" }, "All settings"),
    h("option", { value: "set" }, "Not the default"),
    h("option", { value: "odd" }, "Different in the instance"),
  );

  function valueCell(row) {
    if (row.name === editing) return form(row);
    return h(
      "span",
      { class: row.changed ? "changed" : null, title: show(row.value) },
      breakable(show(row.value)),
    );
  }

  function edit(name) {
    const before = editing;
    editing = name;
    table.update(rows);
    if (!name && !before) return;
    const input = table.element.querySelector(".in-place [name=value]");
    if (input) {
      input.focus();
      if (input.select) input.select();
      return;
    }
    const back = [...table.element.querySelectorAll("button")].find(
      (one) => one.title === `Change ${before}`,
    );
    if (back) back.focus();
  }

  /**
   * The row's own form: Enter sets, Escape leaves it as it was, the server's error stands under the
   * field.
   */
  function form(row) {
    const old = row.value;
    const id = `value-${row.name}`;
    const input =
      typeof old === "boolean"
        ? h(
            "select",
            { name: "value" },
            h("option", { value: "true" }, "true"),
            h("option", { value: "false" }, "false"),
          )
        : old !== null && typeof old === "object"
          ? h("textarea", { name: "value", rows: 3, spellcheck: "false" })
          : h("input", { name: "value", autocomplete: "off", spellcheck: "false" });
    input.value = show(old);
    input.setAttribute("aria-label", `New value of ${row.name}`);
    const error = h("span", { class: "field-error", id, role: "alert", hidden: true });
    const go = h("button", { type: "submit", class: "small in-row primary" }, "Set");
    const box = h(
      "form",
      { class: "in-place", novalidate: true },
      input,
      guarded(go, ctx.signal, ctx.node),
      button("Cancel", () => edit(""), { kind: "small in-row" }),
      error,
      h(
        "small",
        {},
        `Now ${show(old)}. Lasts until the node restarts; some settings cannot change.`,
      ),
    );
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.stopPropagation();
        edit("");
      }
    });
    box.addEventListener("submit", (event) => {
      event.preventDefault();
      working(go, async () => {
        error.hidden = true;
        input.removeAttribute("aria-invalid");
        try {
          const now = await set(row, readValue(input.value, old, DEFAULTS.get(row.name)));
          toast(`${row.name}: ${show(old)} → ${show(now)}`, "good");
          await frame.run();
          edit("");
        } catch (problem) {
          if (problem.name === "AbortError") throw problem;
          error.replaceChildren(`■ ${problem.message}`);
          error.hidden = false;
          input.setAttribute("aria-invalid", "true");
          input.setAttribute("aria-describedby", id);
          input.focus();
        }
      });
    });
    return box;
  }

  async function set(row, value) {
    let answer;
    try {
      answer = await ctx.send("POST", "/conf", { [row.name]: value });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      // LMCache 0.5.6 takes an infinite number and then fails to answer with it: look whether it is
      // set
      if (error.status === 500 && /Infinity$/.test(value)) {
        const { data } = await ctx.json(`/conf?names=${encodeURIComponent(row.name)}`);
        if (data[row.name] === Number(value)) return data[row.name];
      }
      throw new Error(settingError(error, row.name));
    }
    if (answer && answer.errors && answer.errors[row.name])
      throw new Error(answer.errors[row.name]);
    return answer && answer.updated && row.name in answer.updated
      ? answer.updated[row.name]
      : value;
  }

  const frame = panelFrame({
    title: "Config",
    path: "/conf",
    ctx,
    load: async () => {
      const { data, raw } = await ctx.json("/conf");
      return { data: { settings: data, raw }, raw };
    },
    render: ({ settings, raw }, body) => {
      const decimal = decimals(raw);
      const before = new Map(rows.map((row) => [row.name, row.differs]));
      rows = Object.entries(settings).map(([name, value]) => ({
        name,
        value,
        decimal: decimal.has(name),
        differs: before.get(name) || "",
        about: aboutSetting(name),
        changed: DEFAULTS.has(name) && show(DEFAULTS.get(name)) !== show(value),
      }));
      rows.sort((a, b) => b.changed - a.changed);
      append(
        body,
        h("div", { class: "tools" }, search, only, h("span", { class: "muted" }, countText(rows))),
        table.element,
      );
      table.update(rows);
      compareSiblings();
    },
  });

  async function compareSiblings() {
    const me = ctx.node();
    const family =
      store.status && me.instance
        ? store.status.nodes.filter(
            (node) =>
              node.instance === me.instance &&
              (node.kind === "worker" || node.kind === "scheduler") &&
              node.key !== me.key,
          )
        : [];
    const others = family.filter((node) => node.state !== "down").slice(0, MOST_SIBLINGS);
    const told = [];
    await each(
      others,
      (node) => getJson(nodePath(node, "/conf"), { signal: ctx.signal, timeout: 15 }),
      (node, conf) => {
        if (conf) told.push([node.name, conf]);
      },
    );
    if (ctx.signal.aborted) return;
    siblings = told.length;
    unasked = family.length - told.length;
    for (const row of rows) {
      const odd = told.filter(([, conf]) => show(conf[row.name]) !== show(row.value));
      row.differs = odd.length
        ? `◆ ${show(odd[0][1][row.name])} on ${odd[0][0]}${moreText(odd.length - 1)}`
        : "";
    }
    table.update(rows);
  }
  root.append(frame.element);
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

/** Configuration that can only be read, as searchable trees. */
function mountTrees(root, ctx, list, note) {
  for (const [title, path] of list) {
    let data = null;
    const box = h("div");
    const search = searchBox("Search", (text) => box.replaceChildren(tree(data, "", text)));
    root.append(
      panelFrame({
        title,
        note,
        path,
        ctx,
        load: () => ctx.json(path),
        render: (value, body) => {
          data = value;
          box.replaceChildren(tree(data, "", search.querySelector("input").value));
          append(body, h("div", { class: "tools" }, search), box);
        },
      }).element,
    );
  }
}
