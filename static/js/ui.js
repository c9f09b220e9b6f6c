// The parts that pages are made of: elements, icons, state marks, notes, sparklines, tables, panels, trees.

import { byName, NONE, plain, plural } from "./format.js";
import { curl, store, subscribe, trusted, whyNot } from "./server.js";

// ---- elements without markup strings: whatever comes from a node becomes text, never HTML ----

const SVG_NS = "http://www.w3.org/2000/svg";

/** Append children: strings and numbers as text, arrays flattened, null/undefined/false left out. */
export function append(parent, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === true) continue;
    if (Array.isArray(child)) append(parent, ...child);
    else parent.append(child instanceof Node ? child : String(child));
  }
  return parent;
}

function setProps(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.setAttribute("class", value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else if (name === "indeterminate") element.indeterminate = true;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** An HTML element: `h("p", {class: "note", onclick: f}, "text", child)`; the props may be left out. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  if (props && typeof props === "object" && !Array.isArray(props) && !(props instanceof Node)) {
    const { value, ...rest } = props;
    setProps(element, rest);
    append(element, ...children);
    if (value !== undefined && value !== null) element.value = value; // after the options of a select
  } else {
    append(element, props, ...children);
  }
  return element;
}

/** An SVG element. */
export function svg(tag, props, ...children) {
  const element = document.createElementNS(SVG_NS, tag);
  if (props) setProps(element, props);
  return append(element, ...children);
}

/** Put these children in place of all that the element held. */
export function replace(parent, ...children) {
  parent.replaceChildren();
  return append(parent, ...children);
}

/** Change a text only when it differs: no needless repaint, no lost selection. */
export function setText(element, text) {
  const value = String(text);
  if (element.textContent !== value) element.textContent = value;
}

const ICONS = {
  refresh: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3",
  pause: "M5 3v10M11 3v10",
  play: "M5 3l8 5-8 5z",
  copy: "M6 6h7v7H6zM4 10H3V3h7v1",
  lock: "M4 7h8v6H4zM6 7V5a2 2 0 0 1 4 0v2",
  unlock: "M4 7h8v6H4zM6 7V5a2 2 0 0 1 3.9-.6",
  sun: "M8 5.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z",
  auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  menu: "M2 4h12M2 8h12M2 12h12",
  close: "M4 4l8 8M12 4l-8 8",
  edit: "M3 13l1-3 7-7 2 2-7 7z",
  trash: "M3 4h10M6 4V2h4v2M4 4l1 10h6l1-10",
  plus: "M8 3v10M3 8h10",
  search: "M7 2a5 5 0 1 1 0 10A5 5 0 0 1 7 2M11 11l3 3",
  down: "M4 6l4 4 4-4",
  eye: "M1 8s2.5-4.5 7-4.5S15 8 15 8s-2.500 4.500-7 4.500S1 8 1 8M8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4",
};

/** One of our own icons, 16 px, in the colour of the text; hidden from screen readers. */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }),
  );
}

// ---- states, names, buttons, fields --------------------------------------

const MARKS = { up: "●", degraded: "◆", down: "■", unknown: "○" };
export const STATES = Object.keys(MARKS);
export const STATE_ORDER = { down: 0, degraded: 1, unknown: 2, up: 3 };

/** A state as shape and word: never colour alone. `short` hides the word from the eye only. */
export function stateMark(state, short = false) {
  const known = MARKS[state] ? state : "unknown";
  return h(
    "span",
    { class: `state ${known}` },
    h("span", { "aria-hidden": "true" }, MARKS[known]),
    h("span", { class: short ? "visually-hidden" : "" }, short ? known : ` ${known}`),
  );
}

export function setState(element, state) {
  const known = MARKS[state] ? state : "unknown";
  if (element.dataset.state === known) return;
  element.dataset.state = known;
  replace(element, stateMark(known, element.dataset.short === "1"));
}

const TAIL = 8; // characters of a long name's end that always stay

/** A name that shortens in the middle when its place is too narrow: both ends usually tell nodes apart. */
export function fitted(text) {
  const name = String(text);
  if (name.length < 2 * TAIL) return name;
  const slash = name.lastIndexOf("/"); // an address keeps its last part whole
  const cut = slash > 0 && name.length - slash <= 2 * TAIL ? slash : name.length - TAIL;
  return h(
    "span",
    {},
    h("span", { class: "visually-hidden" }, name),
    h("span", {
      class: "fitted",
      "aria-hidden": "true",
      dataset: { head: name.slice(0, cut), tail: name.slice(cut) },
    }),
  );
}

export const kindText = (node) => (node.kind === "unknown" ? NONE : node.kind);

/** What an empty place says: what it is, and what to do next. */
export function empty(text, ...actions) {
  return h(
    "div",
    { class: "empty" },
    h("p", {}, text),
    actions.length ? h("div", { class: "actions" }, actions) : null,
  );
}

/** What every view says while the frontend knows no node. */
export function noNodes() {
  const option = (text) => h("span", { class: "gap" }, text);
  return empty(
    [
      "No nodes yet. Start the frontend with ",
      option("--config FILE"),
      " or ",
      option("--node NAME=ADDRESS"),
      ", or add one here.",
    ],
    h("a", { class: "button", href: "#/nodes?add=1" }, "Add a node"),
  );
}

export async function copy(text, what = "Copied") {
  try {
    await navigator.clipboard.writeText(text);
    toast(what, "good");
  } catch (error) {
    const area = h("textarea", { class: "visually-hidden", readonly: true }, text);
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy"); // pages on plain http from another host have no clipboard API
    area.remove();
    toast(done ? what : "The browser did not let the page copy", done ? "good" : "bad");
  }
}

export function button(
  label,
  onclick,
  { kind = "", image = "", title = "", disabled = false } = {},
) {
  return h(
    "button",
    { type: "button", class: kind, onclick, title: title || null, disabled },
    image ? icon(image) : null,
    label,
  );
}

/** A control that needs trust, and a node (`node()`) that is not down when it sends to one: disabled with the reason without. */
export function guarded(control, signal, node = null) {
  const title = control.title;
  let seen = false;
  let end = null;
  function apply() {
    if (seen && !control.isConnected && end) {
      end();
      return;
    } // its row or panel was drawn anew
    seen = seen || control.isConnected;
    const why = !trusted()
      ? `Locked: ${whyNot()}`
      : node && node() && node().state === "down"
        ? "The node is down: nothing can be sent"
        : "";
    control.dataset.refused = why ? "1" : "";
    if (control.dataset.busy !== "1")
      control.disabled = Boolean(why) || control.dataset.off === "1";
    control.title = why || title;
  }
  apply();
  end = subscribe(apply, signal);
  return control;
}

/** A line that stands where things need trust, while there is none: why, and the way in. */
export function lockNote(signal) {
  const why = h("span");
  const note = h(
    "p",
    { class: "note lock-note" },
    icon("lock"),
    why,
    h(
      "button",
      { type: "button", class: "small", onclick: () => dispatchEvent(new Event("lmcache-unlock")) },
      "Unlock",
    ),
  );
  function apply() {
    note.hidden = trusted() || !store.session;
    setText(why, `Locked: ${whyNot()}`);
  }
  apply();
  subscribe(apply, signal);
  return note;
}

/** Run something with the button disabled, and say how it ended. */
export async function working(control, work) {
  control.dataset.busy = "1";
  control.disabled = true;
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") toast(error.message, "bad");
    return undefined;
  } finally {
    control.dataset.busy = "";
    control.disabled = control.dataset.refused === "1";
  }
}

export function field(label, input, hint = "") {
  return h(
    "label",
    { class: "field" },
    h("span", {}, label),
    input,
    hint ? h("small", { class: "muted" }, hint) : null,
  );
}

/** Terms and values: [[term, value], ...]; pairs without a value are left out. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}

/** Used of a limit as a bar with both figures. */
export function meter(used, limit, text) {
  const share = limit > 0 ? Math.min(1, Math.max(0, used / limit)) : 0;
  const fill = h("i", { class: share > 0.95 ? "full" : "" });
  fill.style.width = `${share * 100}%`;
  return h(
    "div",
    {
      class: "meter",
      role: "meter",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": Math.round(share * 100),
      "aria-label": text,
    },
    fill,
  );
}

function compare(a, b) {
  const noA = a === null || a === undefined || a === "" || Number.isNaN(a);
  const noB = b === null || b === undefined || b === "" || Number.isNaN(b);
  if (noA || noB) return noA && noB ? 0 : noA ? 2 : -2; // what is not known stands last, whatever the direction
  return typeof a === "number" && typeof b === "number" ? a - b : byName(String(a), String(b));
}

const ROW_HEIGHT = 32; // px, as in style.css
const VIRTUAL_FROM = 200; // rows
const PICK_WIDTH = 36; // px
const TELEPHONE = 600; // px, as in style.css

const widthOf = (column, tight) => (tight && column.narrow) || column.width || 120;

/** The heading of a group of rows. */
class Heading {
  constructor(name) {
    this.name = name;
    this.id = `\u0000${name}`; // no row has such a key
    this.rows = [];
  }
}

/**
 * A table that sorts, searches and, above 200 rows, keeps only the rows in view in the DOM.
 *
 * Columns: {id, label, value(row) to sort and search by, text(row) or render(row) with sig(row), num, width, narrow (width where there is
 * room for nothing else), grow, title, sort: false, drop: the higher, the sooner it is left out where room is short}. A table that is not
 * `fixed` has columns as wide as what is in them; where it is too wide its rows become cards, a line per column. text and render get a
 * second argument: {tight, shows(id)}, what the room made of the columns. `update(rows)` changes cells that differ, not the table. `group({of(row) -> label,
 * head(rows, label) -> {sig, parts}, rank(rows)})` puts the rows under headings that fold, those of the lowest rank first. `width` tells how wide it will be, where that is
 * known before it is laid out. Returns {element, update, search(text), filter(f), group(g)}.
 */
export function dataTable({
  label,
  columns,
  key,
  sort = null,
  select = null,
  onrow = null,
  rowClass = null,
  emptyText = "Nothing here.",
  onsort = null,
  fixed = true,
  tall = false,
  width = 0,
}) {
  const heads = [];
  const cols = h("colgroup");
  const headRow = h("tr");
  const allBox = select
    ? h("input", { type: "checkbox", "aria-label": "Select all rows shown" })
    : null;
  const above = h("tbody", { class: "spacer", "aria-hidden": "true" }, h("tr", {}, h("td")));
  const below = h("tbody", { class: "spacer", "aria-hidden": "true" }, h("tr", {}, h("td")));
  const body = h("tbody");
  const table = h(
    "table",
    {
      class: `data${fixed ? " fixed" : ""}${select ? " selectable" : ""}`,
      "aria-label": label,
      role: fixed ? null : "table",
    },
    cols,
    h("thead", {}, headRow),
    above,
    body,
    below,
  );
  const none = h("p", { class: "empty-row", hidden: true }, emptyText);
  const wrap = h(
    "div",
    {
      class: `table-wrap${tall ? " tall" : ""}`,
      tabindex: "0",
      role: "region",
      "aria-label": label,
    },
    table,
    none,
  );
  let wantedColumns = columns;
  let shownColumns = []; // their heads are built with the first rows
  let keepAll = false; // the columns were chosen by hand: none is left out
  const fit = { tight: false, shows: (id) => shownColumns.some((column) => column.id === id) }; // tight: the columns have their narrow widths
  let all = [];
  let told = false; // that there are none is said when it is known
  let shown = [];
  let lines = []; // what is drawn: the rows shown, and the headings of groups between them
  let grouping = null;
  const folded = new Set(); // labels of groups
  let order = sort;
  let needle = "";
  let keep = null;
  let first = 0;
  let frame = 0;
  const live = new Map(); // key -> {tr, cells}

  /** The wanted columns that there is room for, and whether it takes their narrow widths: {tight, columns}. */
  function fitting() {
    const spare =
      keepAll || (!fixed && innerWidth < TELEPHONE)
        ? []
        : wantedColumns.filter((column) => column.drop).sort((a, b) => b.drop - a.drop);
    function inWidth(tight) {
      let room =
        (width || wrap.clientWidth || Infinity) -
        (select ? PICK_WIDTH : 0) -
        wantedColumns.reduce((sum, column) => sum + widthOf(column, tight), 0);
      const out = new Set();
      for (const column of spare) {
        if (room >= 0) break;
        out.add(column);
        room += widthOf(column, tight);
      }
      return {
        tight,
        fits: room >= 0,
        columns: wantedColumns.filter((column) => !out.has(column)),
      };
    }
    const wide = inWidth(innerWidth < TELEPHONE);
    return wide.fits || keepAll || !fixed ? wide : inWidth(true);
  }

  function buildHead({ tight, columns: fitted } = fitting()) {
    shownColumns = fitted;
    fit.tight = tight;
    wrap.classList.toggle("tight", tight);
    heads.length = 0;
    replace(cols);
    replace(headRow);
    let minimum = 0;
    if (select) {
      cols.append(sized(PICK_WIDTH));
      minimum += PICK_WIDTH;
      headRow.append(h("th", { class: "pick", scope: "col" }, allBox));
    }
    for (const column of shownColumns) {
      const width = widthOf(column, fit.tight);
      minimum += width;
      cols.append(sized(column.grow ? 0 : width));
      const cell = h("th", {
        scope: "col",
        class: [column.num ? "num" : "", column.head ? "head" : ""].join(" ").trim() || null,
        title: column.title || null,
      });
      if (column.sort === false) cell.append(column.label);
      else
        cell.append(
          h(
            "button",
            { type: "button", class: "sort", onclick: () => sortBy(column) },
            column.label,
            h("span", { class: "sort-mark", "aria-hidden": "true" }),
          ),
        );
      heads.push([column, cell]);
      headRow.append(cell);
    }
    if (fixed) table.style.minWidth = `${minimum}px`;
    markSort();
    live.clear();
    replace(body);
  }
  /** Build the head anew when other columns have room than before. */
  function refit() {
    const next = fitting();
    if (
      next.tight === fit.tight &&
      next.columns.length === shownColumns.length &&
      next.columns.every((column, i) => column === shownColumns[i])
    )
      return false;
    buildHead(next);
    return true;
  }
  function sized(width) {
    const col = h("col");
    if (width && fixed) col.style.width = `${width}px`;
    return col;
  }
  function markSort() {
    for (const [column, cell] of heads) {
      const on = order && order.id === column.id;
      if (column.sort !== false)
        cell.setAttribute("aria-sort", on ? (order.down ? "descending" : "ascending") : "none");
      const mark = cell.querySelector(".sort-mark");
      if (mark) setText(mark, on ? (order.down ? "▼" : "▲") : "");
    }
  }
  function sortBy(column) {
    const down = order && order.id === column.id ? !order.down : Boolean(column.num);
    order = { id: column.id, down };
    markSort();
    if (onsort) onsort(order);
    arrange();
  }
  function hit(row) {
    if (keep && !keep(row)) return false;
    if (!needle) return true;
    return needle.every((word) =>
      columns.some(
        (column) =>
          column.find !== false &&
          String((column.search || column.text || column.value)(row, fit) ?? "")
            .toLowerCase()
            .includes(word),
      ),
    );
  }
  function arrange() {
    if (!live.size) refit();
    shown = all.filter(hit);
    if (order) {
      const column = columns.find((one) => one.id === order.id);
      const get = column.value || column.text;
      const decorated = shown.map((row) => [get(row), row]);
      decorated.sort(([a], [b]) => {
        const d = compare(a, b);
        return (Math.abs(d) === 2 && typeof a !== typeof b) ||
          a === null ||
          b === null ||
          a === undefined ||
          b === undefined
          ? Math.sign(d)
          : order.down
            ? -d
            : d;
      });
      shown = decorated.map(([, row]) => row);
    }
    lines = grouping ? grouped() : shown;
    none.hidden = !told || shown.length > 0;
    replace(
      none,
      all.length ? "Nothing matches. Clear the search or the filters to see all." : emptyText,
    );
    table.setAttribute("aria-rowcount", String(lines.length + 1));
    paint();
  }
  function grouped() {
    const groups = new Map();
    for (const row of shown) {
      const name = grouping.of(row);
      if (!groups.has(name)) groups.set(name, new Heading(name));
      groups.get(name).rows.push(row);
    }
    const sorted = [...groups.values()].sort(
      (a, b) =>
        (grouping.rank ? grouping.rank(a.rows) - grouping.rank(b.rows) : 0) ||
        compare(a.name, b.name),
    );
    return sorted.flatMap((heading) =>
      folded.has(heading.name) ? [heading] : [heading, ...heading.rows],
    );
  }
  function paint() {
    frame = 0;
    const focus = body.contains(document.activeElement) ? document.activeElement : null;
    let from = 0;
    let to = lines.length;
    const virtual = lines.length > VIRTUAL_FROM;
    wrap.classList.toggle("virtual", virtual);
    if (virtual) {
      const height = wrap.clientHeight || 600;
      from = Math.max(0, Math.floor(wrap.scrollTop / ROW_HEIGHT) - 12);
      to = Math.min(lines.length, from + Math.ceil(height / ROW_HEIGHT) + 24);
    }
    first = from;
    above.firstChild.firstChild.style.height = `${from * ROW_HEIGHT}px`;
    below.firstChild.firstChild.style.height = `${(lines.length - to) * ROW_HEIGHT}px`;
    above.hidden = from === 0;
    below.hidden = to === lines.length;
    const wanted = new Set();
    let at = body.firstChild;
    for (let i = from; i < to; i += 1) {
      const row = lines[i];
      const heading = row instanceof Heading;
      const id = heading ? row.id : key(row);
      wanted.add(id);
      let entry = live.get(id);
      if (!entry) {
        entry = heading ? makeHeading(row.name) : makeRow(id);
        live.set(id, entry);
      }
      if (heading) fillHeading(entry, row);
      else fill(entry, row);
      if (virtual) entry.tr.setAttribute("aria-rowindex", String(i + 2));
      if (entry.tr !== at) body.insertBefore(entry.tr, at);
      else at = at.nextSibling;
    }
    for (const [id, entry] of live)
      if (!wanted.has(id)) {
        entry.tr.remove();
        live.delete(id);
      }
    if (!fixed) stack();
    if (focus && !body.contains(document.activeElement))
      (focus.isConnected ? focus : wrap).focus({ preventScroll: true }); // a moved row loses it
    markAll();
  }
  /** Rows as cards where the table is wider than its place. */
  function stack() {
    wrap.classList.remove("stacked");
    wrap.classList.toggle("stacked", wrap.scrollWidth > wrap.clientWidth + 1);
  }
  function makeHeading(name) {
    const text = h("span", { class: "group-text" });
    const fold = h(
      "button",
      {
        type: "button",
        class: "group-fold",
        onclick: () => {
          if (!folded.delete(name)) folded.add(name);
          arrange();
        },
      },
      h("span", { class: "group-mark", "aria-hidden": "true" }),
      text,
    );
    const entry = { tr: h("tr", { class: "group" }), fold, text, box: null, sig: "" };
    if (select) {
      entry.box = h("input", { type: "checkbox", "aria-label": `Select all of ${name}` });
      entry.box.addEventListener("change", () => {
        for (const row of entry.rows) {
          if (entry.box.checked) select.set.add(key(row));
          else select.set.delete(key(row));
        }
        paint();
        select.changed();
      });
      entry.tr.append(h("td", { class: "pick" }, entry.box));
    }
    entry.tr.append(h("th", { scope: "rowgroup", colspan: shownColumns.length }, fold));
    return entry;
  }
  function fillHeading(entry, { name, rows }) {
    entry.rows = rows;
    entry.fold.setAttribute("aria-expanded", String(!folded.has(name)));
    const { sig, parts } = grouping.head(rows, name);
    if (entry.sig !== sig) {
      entry.sig = sig;
      replace(entry.text, parts);
    }
    markBox(entry.box, rows);
  }
  function markBox(box, rows) {
    if (!box) return;
    const count = rows.filter((row) => select.set.has(key(row))).length;
    box.checked = count > 0 && count === rows.length;
    box.indeterminate = count > 0 && count < rows.length;
  }
  function makeRow(id) {
    const tr = h("tr", { role: fixed ? null : "row" });
    const entry = { tr, row: null, cells: [], sigs: [], box: null };
    if (select) {
      entry.box = h("input", { type: "checkbox" });
      entry.box.addEventListener("change", () => {
        if (entry.box.checked) select.set.add(id);
        else select.set.delete(id);
        tr.classList.toggle("picked", entry.box.checked);
        markAll();
        select.changed();
      });
      tr.append(h("td", { class: "pick" }, entry.box));
    }
    for (const column of shownColumns) {
      const cell = h(column.head ? "th" : "td", {
        class: [column.num ? "num" : "", column.cls || ""].join(" ").trim() || null,
        scope: column.head ? "row" : null,
        role: fixed ? null : column.head ? "rowheader" : "cell",
        dataset: fixed ? {} : { label: column.label },
      }); // with roles, as cards are no table to the browser
      entry.cells.push(cell);
      tr.append(cell);
    }
    if (onrow) {
      tr.classList.add("link");
      tr.addEventListener("click", (event) => {
        if (!event.target.closest("a, button, input, select, label") && !String(getSelection()))
          onrow(entry.row);
      });
    }
    return entry;
  }
  function fill(entry, row) {
    entry.row = row;
    if (select) {
      const picked = select.set.has(key(row));
      entry.box.checked = picked;
      entry.tr.classList.toggle("picked", picked);
      if (!entry.named) {
        entry.box.setAttribute("aria-label", `Select ${select.name(row)}`);
        entry.named = true;
      }
    }
    if (rowClass) {
      const name = rowClass(row);
      if (entry.cls !== name) {
        if (entry.cls) entry.tr.classList.remove(entry.cls);
        if (name) entry.tr.classList.add(name);
        entry.cls = name;
      }
    }
    shownColumns.forEach((column, i) => {
      const sig = column.render
        ? column.sig
          ? column.sig(row)
          : {}
        : String(column.text ? column.text(row, fit) : (column.value(row) ?? "–"));
      if (entry.sigs[i] === sig) return;
      entry.sigs[i] = sig;
      if (column.render) {
        const focused = entry.cells[i].contains(document.activeElement);
        replace(entry.cells[i], column.render(row, fit));
        const next = focused && entry.cells[i].querySelector("a, button, input, select");
        if (next) next.focus({ preventScroll: true });
      } else entry.cells[i].textContent = sig;
      if (column.tip) entry.cells[i].title = column.tip(row) || "";
    });
  }
  function markAll() {
    if (!select) return;
    markBox(allBox, shown);
    if (grouping) for (const entry of live.values()) if (entry.rows) markBox(entry.box, entry.rows);
  }
  if (select) {
    allBox.addEventListener("change", () => {
      for (const row of shown) {
        if (allBox.checked) select.set.add(key(row));
        else select.set.delete(key(row));
      }
      paint();
      select.changed();
    });
  }
  wrap.addEventListener(
    "scroll",
    () => {
      if (lines.length > VIRTUAL_FROM && !frame) frame = requestAnimationFrame(paint);
    },
    { passive: true },
  );
  new ResizeObserver(() => {
    if (!wrap.isConnected) return; // not in the page yet: the room is what it was told
    width = 0;
    if (refit()) arrange();
    else if (!fixed) stack();
    else if (lines.length > VIRTUAL_FROM) paint();
  }).observe(wrap);
  return {
    element: wrap,
    update(rows) {
      told = true;
      all = rows;
      arrange();
    },
    search(text) {
      needle = text.trim().toLowerCase() ? text.trim().toLowerCase().split(/\s+/) : "";
      wrap.scrollTop = 0;
      arrange();
      return shown.length;
    },
    filter(test) {
      keep = test;
      arrange();
      return shown.length;
    },
    group(by) {
      grouping = by;
      folded.clear();
      live.clear();
      replace(body);
      arrange();
    },
    setColumns(ids, exactly = false) {
      wantedColumns = columns.filter((column) => ids.includes(column.id));
      keepAll = exactly;
      if (heads.length) {
        buildHead();
        arrange();
      }
    },
    get columns() {
      return shownColumns.map((column) => column.id);
    },
    get shown() {
      return shown;
    },
    get total() {
      return all.length;
    },
    first: () => first,
  };
}

/** A search box that tells what it found. `onsearch(text)` returns how many there are. */
export function searchBox(label, onsearch, { value = "" } = {}) {
  const count = h("span", { class: "search-count muted", "aria-live": "polite" });
  const input = h("input", {
    type: "search",
    placeholder: label,
    "aria-label": label,
    value,
    spellcheck: "false",
    autocomplete: "off",
  });
  input.addEventListener("input", () => {
    const found = onsearch(input.value);
    setText(count, input.value && typeof found === "number" ? `${plain(found)} found` : "");
  });
  return h("span", { class: "search" }, input, count);
}

/**
 * The frame of a node's panel: title, refresh, raw view, copy as curl; loading and failure said in one line.
 * `load(signal)` returns {data, raw}; `render(data, body)` shows it. `node`, `path`, `method` and `body` make the curl command.
 */
export function panelFrame({
  title,
  note = "",
  ctx,
  path = null,
  load = null,
  render,
  tools = [],
  curlOptions = {},
}) {
  const body = h("div", { class: "panel-body" });
  const rawBox = h("pre", {
    class: "raw",
    tabindex: "0",
    role: "region",
    hidden: true,
    "aria-label": `${title}: raw answer`,
  });
  const line = h("p", { class: "panel-line", role: "status" });
  const again = load
    ? button("Refresh", () => run(true), { image: "refresh", kind: "small" })
    : null;
  const rawButton = load
    ? h(
        "button",
        {
          type: "button",
          class: "small",
          "aria-pressed": "false",
          onclick: () => {
            const on = rawBox.hidden;
            rawBox.hidden = !on;
            body.hidden = on;
            rawButton.setAttribute("aria-pressed", String(on));
          },
        },
        "Raw",
      )
    : null;
  const curlButton = path
    ? button(
        "Copy as curl",
        () => copy(curl(ctx.node().path + path, curlOptions), "curl command copied"),
        { image: "copy", kind: "small" },
      )
    : null;
  const element = h(
    "section",
    { class: "panel", "aria-label": title },
    h(
      "header",
      { class: "panel-head" },
      h("h2", {}, title),
      note ? h("p", { class: "muted" }, note) : null,
      h("div", { class: "panel-tools" }, tools, again, rawButton, curlButton),
    ),
    line,
    body,
    rawBox,
  );
  let once = false;

  async function run() {
    again.disabled = true;
    if (!once) setText(line, "Asking the node …");
    try {
      const { data, raw } = await load(ctx.signal);
      once = true;
      setText(line, "");
      line.className = "panel-line";
      setText(rawBox, raw ?? "");
      replace(body);
      body.classList.remove("stale");
      render(data, body);
    } catch (error) {
      if (error.name === "AbortError") return;
      line.className = "panel-line said";
      setText(line, explain(error, ctx.node()));
      body.classList.add("stale");
      if (error.body) setText(rawBox, error.body);
    } finally {
      again.disabled = false;
      element.classList.remove("asking");
    }
  }
  if (load) {
    element.classList.add("asking"); // what stands below is shown when this has its size
    run();
  } else render(null, body);
  return { element, body, run, line };
}

/** An error of a node in one line: what it does not offer is a fact, not a failure. */
export function explain(error, node) {
  const kind = node && node.kind && node.kind !== "unknown" ? node.kind : "node";
  if (error.status === 404 || error.status === 405)
    return `This ${kind} does not offer it (${error.message}).`;
  if (error.status === 403 || error.status === 401) return `Locked: ${error.message}`;
  if (error.status === 503) return `Not available on this ${kind}: ${error.message}`;
  if (error.status === 502 || error.status === 504)
    return `The node did not answer: ${error.message}`;
  return error.status ? `The node answered ${error.status}: ${error.message}` : error.message;
}

/** A JSON value as a tree; only opened branches are built. `needle` opens what matches. */
export function tree(value, name = "", needle = "", depth = 0) {
  const word = needle.toLowerCase();
  const matches = (item, label) =>
    !word ||
    String(label).toLowerCase().includes(word) ||
    (item !== null && typeof item === "object"
      ? Object.entries(item).some(([k, v]) => matches(v, k))
      : String(item).toLowerCase().includes(word));
  if (value === null || typeof value !== "object") {
    return h(
      "div",
      { class: "leaf" },
      name !== "" ? h("span", { class: "key" }, name) : null,
      h("span", { class: `value ${value === null ? "null" : typeof value}` }, scalar(value)),
    );
  }
  const entries = Object.entries(value);
  const flat =
    Array.isArray(value) &&
    value.length <= 12 &&
    value.every((item) => item === null || typeof item !== "object");
  if (flat)
    return h(
      "div",
      { class: "leaf" },
      h("span", { class: "key" }, name),
      h("span", { class: "value" }, `[${value.map(scalar).join(", ")}]`),
    );
  const whole = word && String(name).toLowerCase().includes(word);
  const children = () =>
    entries
      .filter(([k, v]) => whole || matches(v, k))
      .map(([k, v]) => tree(v, k, whole ? "" : needle, depth + 1));
  if (name === "")
    return h(
      "div",
      { class: "tree" },
      entries.length ? children() : h("p", { class: "muted" }, "Nothing matches."),
    );
  const box = h(
    "details",
    { open: depth < 3 || Boolean(word) },
    h(
      "summary",
      {},
      h("span", { class: "key" }, name),
      h(
        "span",
        { class: "muted" },
        Array.isArray(value)
          ? ` [${entries.length}]`
          : ` ${plural(entries.length, "entry", "entries")}`,
      ),
    ),
  );
  let built = false;
  const open = () => {
    if (box.open && !built) {
      built = true;
      box.append(h("div", { class: "branch" }, children()));
    }
  };
  box.addEventListener("toggle", open);
  open();
  return box;
}

function scalar(value) {
  if (value === null) return "null";
  if (value === "") return '""';
  if (typeof value === "number")
    return Number.isInteger(value)
      ? String(value)
      : plain(value) === "0" && value !== 0
        ? value.toExponential(3)
        : String(value);
  return String(value);
}

export const nodeLink = (node, panel = "overview") =>
  `#/node/${encodeURIComponent(node.key)}/${panel}`;
export const nodeOf = (key) =>
  store.byKey.get(key) ||
  (store.status ? store.status.nodes.find((node) => node.name === key) : undefined);

// ---- short notes about results, in a corner, spoken by screen readers -----

const notes = h(
  "div",
  { class: "toasts" },
  h("div", { role: "status", "aria-live": "polite" }),
  h("div", { role: "alert" }),
);
document.body.append(notes);

/** `kind`: "good", "bad" or "plain". Bad news stays until closed. */
export function toast(text, kind = "plain") {
  const close = h(
    "button",
    { type: "button", class: "bare", "aria-label": "Close this note" },
    icon("close"),
  );
  const mark = { good: "● ", bad: "■ ", plain: "" }[kind];
  const note = h(
    "div",
    { class: `toast ${kind}` },
    h("p", {}, mark ? h("span", { class: "toast-mark", "aria-hidden": "true" }, mark) : null, text),
    close,
  );
  close.addEventListener("click", () => note.remove());
  const list = notes.children[kind === "bad" ? 1 : 0];
  list.append(note);
  while (list.children.length > 4) list.firstChild.remove();
  if (kind !== "bad") setTimeout(() => note.remove(), 6000);
  return note;
}

// ---- sparklines on SVG, and the path of a line -----------------------------

/** Path data with a gap wherever a value is missing. */
export function linePath(times, values, x, y, gap) {
  let path = "";
  let pen = false;
  let last = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i];
    if (value === null || value === undefined || !Number.isFinite(value)) {
      pen = false;
      continue;
    }
    if (pen && gap && times[i] - last > gap) pen = false;
    const next = i + 1 < values.length ? values[i + 1] : null;
    const alone = !pen && (next === null || next === undefined);
    path += `${pen ? "L" : "M"}${Math.round(x(times[i]) * 10) / 10} ${Math.round(y(value) * 10) / 10}`;
    if (alone) path += "h0.01"; // a point between two gaps is still seen
    pen = true;
    last = times[i];
  }
  return path;
}

/** A small line without axes; decoration for the eye, the value stands beside it. */
export function sparkline(values, width = 88, height = 20) {
  const known = (values || []).filter((value) => value !== null && Number.isFinite(value));
  const high = Math.max(...known, 0);
  const low = Math.min(...known, high);
  const span = high - low || Math.abs(high) || 1;
  const count = Math.max(2, (values || []).length);
  const path = known.length
    ? linePath(
        values.map((_, i) => i),
        values,
        (i) => 1 + (i / (count - 1)) * (width - 2),
        (value) => height - 2 - ((value - low) / span) * (height - 4),
        0,
      )
    : "";
  return svg(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      "aria-hidden": "true",
      preserveAspectRatio: "none",
    },
    path ? svg("path", { d: path }) : null,
  );
}
