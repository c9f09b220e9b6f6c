// What a DataTable is made of: the arithmetic of columns and order (pure), and its rows in the DOM.

import { h, replace } from "./dom.js";
import { byName, NONE } from "./format.js";

const STANDARD_WIDTH = 120; // px

export const widthOf = (column, tight) =>
  (tight && column.narrow) || column.width || STANDARD_WIDTH;

/**
 * The columns that fit into `room` px, and whether that takes their narrow widths: {tight,
 * columns}.
 * Those with the highest `drop` are left out first; `keepAll` leaves out none.
 */
export function fitColumns(columns, { room, tight = false, keepAll = false, mayTighten = true }) {
  const spare = keepAll
    ? []
    : columns.filter((column) => column.drop).sort((a, b) => b.drop - a.drop);
  const inWidth = (narrow) => {
    let left = room - columns.reduce((sum, column) => sum + widthOf(column, narrow), 0);
    const out = new Set();
    for (const column of spare) {
      if (left >= 0) break;
      out.add(column);
      left += widthOf(column, narrow);
    }
    const kept = columns.filter((column) => !out.has(column));
    return { tight: narrow, fits: left >= 0, columns: kept };
  };
  const wide = inWidth(tight);
  return wide.fits || keepAll || !mayTighten ? wide : inWidth(true);
}

const missing = (value) =>
  value === null || value === undefined || value === "" || Number.isNaN(value);

/** The order of two values of a column; what is missing stands last, whatever the direction. */
export function compareValues(a, b, down = false) {
  const [noA, noB] = [missing(a), missing(b)];
  if (noA || noB) return Number(noA) - Number(noB);
  const numbers = typeof a === "number" && typeof b === "number";
  const order = numbers ? a - b : byName(String(a), String(b));
  return down ? -order : order;
}

/** Rows in the order of one column: {id, down}. Equal rows keep their order. */
export function sortRows(rows, columns, order) {
  const column = order && columns.find((one) => one.id === order.id);
  if (!column) return rows;
  const get = column.value || column.text;
  return rows
    .map((row) => [get(row), row])
    .sort(([a], [b]) => compareValues(a, b, order.down))
    .map(([, row]) => row);
}

/** The heading of a group of rows. */
export class Heading {
  constructor(name) {
    this.name = name;
    this.id = `\u0000${name}`; // no row has such a key
    this.rows = [];
  }
}

/** Rows under headings, those of the lowest rank first; folded headings keep their rows back. */
export function groupRows(rows, grouping, folded) {
  const groups = new Map();
  for (const row of rows) {
    const name = grouping.of(row);
    if (!groups.has(name)) groups.set(name, new Heading(name));
    groups.get(name).rows.push(row);
  }
  const rank = (group) => (grouping.rank ? grouping.rank(group.rows) : 0);
  const sorted = [...groups.values()].sort(
    (a, b) => rank(a) - rank(b) || compareValues(a.name, b.name),
  );
  return sorted.flatMap((heading) =>
    folded.has(heading.name) ? [heading] : [heading, ...heading.rows],
  );
}

/** What selecting these rows selects: their keys, or those that `select.members(row)` names. */
function memberKeys(rows, select, key) {
  return rows.flatMap((row) => (select.members ? select.members(row) : [key(row)]));
}

/** Show on a checkbox how many of these rows are selected: none, some, all. */
export function markBox(box, rows, select, key) {
  if (!box) return false;
  const keys = memberKeys(rows, select, key);
  const count = keys.filter((one) => select.set.has(one)).length;
  box.checked = count > 0 && count === keys.length;
  box.indeterminate = count > 0 && count < keys.length;
  return box.checked;
}

/** Add rows to the selection, or take them out of it. */
export function pick(rows, on, select, key) {
  for (const one of memberKeys(rows, select, key)) {
    if (on) select.set.add(one);
    else select.set.delete(one);
  }
}

const classes = (...names) => names.filter(Boolean).join(" ") || null;

/** A row in the DOM, which changes the cells that differ and leaves the others alone. */
export class TableRow {
  constructor(table) {
    const { fixed, select, onrow } = table.options;
    this.table = table;
    this.row = null;
    this.signatures = [];
    this.className = "";
    this.element = h("tr", { role: fixed ? null : "row" });
    this.box = select ? this.#makeBox() : null;
    this.cells = table.shownColumns.map((column) => this.#makeCell(column));
    this.element.append(...this.cells);
    if (onrow) this.#listen(onrow);
  }

  #makeBox() {
    const { select } = this.table.options;
    const box = h("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      pick([this.row], box.checked, select, this.table.options.key);
      this.table.paint();
      select.changed();
    });
    this.element.append(h("td", { class: "pick" }, box));
    return box;
  }

  /** With roles where rows may become cards: those are no table to the browser. */
  #makeCell(column) {
    const { fixed } = this.table.options;
    return h(column.head ? "th" : "td", {
      class: classes(column.num ? "num" : "", column.cls),
      scope: column.head ? "row" : null,
      role: fixed ? null : column.head ? "rowheader" : "cell",
      dataset: fixed ? {} : { label: column.label },
    });
  }

  #listen(onrow) {
    this.element.classList.add("link");
    this.element.addEventListener("click", (event) => {
      const control = event.target.closest("a, button, input, select, label");
      if (!control && !String(getSelection())) onrow(this.row);
    });
  }

  fill(row) {
    const { rowClass, select } = this.table.options;
    this.row = row;
    if (select) this.#fillBox(row, select);
    if (rowClass) this.#setClass(rowClass(row) || "");
    this.table.shownColumns.forEach((column, i) => this.#fillCell(column, i, row));
  }

  #fillBox(row, select) {
    const picked = markBox(this.box, [row], select, this.table.options.key);
    this.element.classList.toggle("picked", picked);
    const label = `Select ${select.name(row)}`;
    if (this.box.getAttribute("aria-label") !== label) this.box.setAttribute("aria-label", label);
  }

  #setClass(name) {
    if (this.className === name) return;
    if (this.className) this.element.classList.remove(...this.className.split(" "));
    if (name) this.element.classList.add(...name.split(" "));
    this.className = name;
  }

  #fillCell(column, i, row) {
    const { fit } = this.table;
    const signature = column.render
      ? column.sig
        ? column.sig(row)
        : {}
      : String(column.text ? column.text(row, fit) : (column.value(row) ?? NONE));
    if (this.signatures[i] === signature) return;
    this.signatures[i] = signature;
    const cell = this.cells[i];
    if (column.render) {
      const focused = cell.contains(document.activeElement);
      replace(cell, column.render(row, fit));
      const next = focused && cell.querySelector("a, button, input, select");
      if (next) next.focus({ preventScroll: true });
    } else cell.textContent = signature;
    if (column.tip) cell.title = column.tip(row) || "";
  }
}

/** The heading of a group in the DOM: a button that folds it, and a box that selects all of it. */
export class HeadingRow {
  constructor(table, name) {
    this.table = table;
    this.rows = [];
    this.signature = "";
    this.text = h("span", { class: "group-text" });
    this.fold = h(
      "button",
      { type: "button", class: "group-fold", onclick: () => table.fold(name) },
      h("span", { class: "group-mark", "aria-hidden": "true" }),
      this.text,
    );
    this.element = h("tr", { class: "group" });
    this.box = table.options.select ? this.#makeBox(name) : null;
    this.element.append(
      h("th", { scope: "rowgroup", colspan: table.shownColumns.length }, this.fold),
    );
  }

  #makeBox(name) {
    const { select, key } = this.table.options;
    const box = h("input", { type: "checkbox", "aria-label": `Select all of ${name}` });
    box.addEventListener("change", () => {
      pick(this.rows, box.checked, select, key);
      this.table.paint();
      select.changed();
    });
    this.element.append(h("td", { class: "pick" }, box));
    return box;
  }

  fill({ name, rows }) {
    const { select, key } = this.table.options;
    this.rows = rows;
    this.fold.setAttribute("aria-expanded", String(!this.table.folded.has(name)));
    const { sig, parts } = this.table.grouping.head(rows, name);
    if (this.signature !== sig) {
      this.signature = sig;
      replace(this.text, parts);
    }
    markBox(this.box, rows, select, key);
  }
}
