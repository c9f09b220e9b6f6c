// A table that sorts, searches, folds and, when it is long, keeps only the rows in view in the
// DOM: the arithmetic of its columns and its order first, then its rows, then the table itself.

import { h, replace, setText } from "./dom.js";
import { byName, NONE } from "./format.js";

const STANDARD_WIDTH = 120; // px

export const widthOf = (column, tight) =>
  (tight && column.narrow) || column.width || STANDARD_WIDTH;

/**
 * The columns that fit into `room` px, and whether that takes their narrow widths: {tight,
 * columns}. Those with the highest `drop` are left out first; `keepAll` leaves out none.
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
    // Where a wide column was left out, there may be room for narrower ones.
    for (const column of [...out].reverse()) {
      if (widthOf(column, narrow) > left) continue;
      out.delete(column);
      left -= widthOf(column, narrow);
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

/** The rows that can be selected: `select.able(row)` says so. */
const ableRows = (rows, { able }) => (able ? rows.filter(able) : rows);

/** Show on a checkbox how many of these rows are selected: none, some, all. */
export function markBox(box, rows, select, key) {
  if (!box) return false;
  if (!select.set.size) {
    box.checked = box.indeterminate = false;
    return false;
  }
  const keys = memberKeys(rows.length > 1 ? ableRows(rows, select) : rows, select, key);
  const count = keys.filter((one) => select.set.has(one)).length;
  box.checked = count > 0 && count === keys.length;
  box.indeterminate = count > 0 && count < keys.length;
  return box.checked;
}

/** Add rows to the selection, or take them out of it. */
export function pick(rows, on, select, key) {
  for (const one of memberKeys(on ? ableRows(rows, select) : rows, select, key)) {
    if (on) select.set.add(one);
    else select.set.delete(one);
  }
}

/** The cell of a box; what is clicked is the whole cell. */
const pickCell = (tag, box) =>
  h(tag, { class: "pick", scope: tag === "th" ? "col" : null }, h("label", {}, box));

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
    this.element.append(pickCell("td", box));
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
    // What is selected elsewhere can be taken back.
    this.box.disabled = !picked && !ableRows([row], select).length;
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
      const next = focused && cell.querySelector("a, button, input, select, textarea");
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
    this.element = h("tr", { class: table.grouping.hasSums ? "group sums" : "group" });
    this.box = table.options.select ? this.#makeBox(name) : null;
    this.cells = this.#makeCells();
    const colspan = table.shownColumns.length - this.cells.length;
    this.element.append(
      h("th", { scope: "rowgroup", colspan }, this.fold),
      ...this.cells.map(([, cell]) => cell),
    );
  }

  /** [id of a column, cell of its sum] */
  #makeCells() {
    const { grouping, shownColumns } = this.table;
    const first = shownColumns.findIndex((column) => column.num);
    const columns = grouping.hasSums && first > 0 ? shownColumns.slice(first) : [];
    return columns.map(({ id }) => [id, h("td", { class: "num" })]);
  }

  #makeBox(name) {
    const { select, key } = this.table.options;
    const box = h("input", { type: "checkbox", "aria-label": `Select all of ${name}` });
    box.addEventListener("change", () => {
      pick(this.rows, box.checked, select, key);
      this.table.paint();
      select.changed();
    });
    this.element.append(pickCell("td", box));
    return box;
  }

  fill({ name, rows }) {
    const { select, key } = this.table.options;
    const isNew = rows !== this.rows; // while the table scrolls they are the same
    this.rows = rows;
    this.fold.setAttribute("aria-expanded", String(!this.table.folded.has(name)));
    markBox(this.box, rows, select, key);
    if (!isNew) return;
    const { sig, parts, sums } = this.table.grouping.head(rows, name);
    if (this.signature === sig) return;
    this.signature = sig;
    replace(this.text, parts);
    for (const [id, cell] of this.cells) replace(cell, sums(id));
    const isEmpty = this.cells.every(([, cell]) => !cell.firstChild);
    this.element.classList.toggle("no-sums", isEmpty);
  }
}

// ---- the table

const ROW_HEIGHT = 32; // px, --row in style.css
export const TWO_LINES = 44; // px
export const VIRTUAL_FROM = 200; // rows
const ROWS_AROUND = 12; // rows kept in the DOM above and below those in view
const pickWidth = (tight) => (tight ? 30 : 36); // px
const TELEPHONE = 600; // px, as in style.css
const READING = 15000; // ms after the pointer moved on a row: rows do not move from under it

const STANDARD = {
  sort: null,
  select: null,
  onrow: null,
  rowClass: null,
  emptyText: "Nothing here.",
  onsort: null,
  fixed: true,
  tall: false,
  width: 0,
  children: null,
  rowHeight: () => ROW_HEIGHT,
  virtualFrom: VIRTUAL_FROM,
};

/**
 * Options: label; columns; key(row); sort {id, down}; select {set, name(row), changed()};
 * onrow(row); rowClass(row); emptyText; onsort(order); fixed (false: columns as wide as what is in
 * them, and cards where that is too wide); tall; width (px, where it is known before the table is
 * laid out); children(row) -> rows to stand below that row while it is unfolded; rowHeight(row) in
 * px; virtualFrom: with more lines, only those in view are in the DOM.
 *
 * Columns: {id, label, value(row) to sort and search by, text(row) or render(row) with sig(row),
 * num, lowFirst (low numbers are the worse ones), width, narrow (width where there is little
 * room), grow, growNarrow (grow there), title, sort: false, find: false, drop: the higher, the
 * sooner it is left out where room is short}. text and render get a second argument: {tight,
 * cards, shows(id)}.
 */
export class DataTable {
  constructor(options) {
    this.options = { ...STANDARD, ...options };
    this.order = this.options.sort;
    this.wantedColumns = this.options.columns;
    this.shownColumns = []; // their heads are built with the first rows
    this.keepAll = false; // the columns were chosen by hand: none is left out
    this.grouping = null;
    this.folded = new Set(); // names of groups
    this.unfolded = new Set(); // keys of rows with children
    this.shown = []; // rows that the search and the filter let through
    this.lines = []; // what is drawn: rows, their children, headings
    this.places = new Map(); // keys of the rows among them -> their index
    this.pointed = -Infinity; // ms, when the pointer moved on a row last
    this.isRead = false; // rows stay where they are
    this.live = new Map(); // key -> TableRow or HeadingRow
    this.shownIds = new Set();
    this.fit = { tight: false, cards: false, shows: (id) => this.shownIds.has(id) };
    this.all = [];
    this.reported = false; // that there are no rows is said when it is known
    this.words = [];
    this.keep = null;
    this.narrows = false; // the filter applies to children, too
    this.heads = [];
    this.frame = 0;
    this.width = this.options.width;
    this.cardsAt = 0; // px, the width at which rows became cards; 0 while they are none
    // px; reading it while painting would force a layout
    this.view = { top: 0, width: 0, height: 0 };
    this.#build();
    this.#watchSize();
  }

  #build() {
    const { label, fixed, select, tall, emptyText } = this.options;
    const spacer = () =>
      h("tbody", { class: "spacer", "aria-hidden": "true" }, h("tr", {}, h("td")));
    this.cols = h("colgroup");
    this.headRow = h("tr");
    this.allBox = select ? this.#makeAllBox() : null;
    this.above = spacer();
    this.below = spacer();
    this.body = h("tbody");
    this.body.addEventListener("pointermove", () => {
      this.pointed = performance.now();
    });
    const kind = `data${fixed ? " fixed" : ""}${select ? " selectable" : ""}`;
    this.table = h(
      "table",
      { class: kind, "aria-label": label, role: fixed ? null : "table" },
      this.cols,
      h("thead", {}, this.headRow),
      this.above,
      this.body,
      this.below,
    );
    this.none = h("p", { class: "empty-row", hidden: true }, emptyText);
    this.element = h(
      "div",
      {
        class: `table-wrap${tall ? " tall" : ""}`,
        tabindex: "0",
        role: "region",
        "aria-label": `${label}, table`,
      },
      this.table,
      this.none,
    );
  }

  #makeAllBox() {
    const { select, key } = this.options;
    const box = h("input", { type: "checkbox", "aria-label": "Select all rows shown" });
    box.addEventListener("change", () => {
      pick(this.shown, box.checked, select, key);
      this.paint();
      select.changed();
    });
    return box;
  }

  #watchSize() {
    const repaint = () => {
      const top = this.element.scrollTop;
      // Rows are kept around those in view: others are drawn before these are used up.
      if (Math.abs(top - this.view.top) < (ROWS_AROUND / 3) * ROW_HEIGHT) return;
      this.view.top = top;
      if (this.isVirtual && !this.frame) this.frame = requestAnimationFrame(() => this.paint());
    };
    this.element.addEventListener("scroll", repaint, { passive: true });
    new ResizeObserver(() => {
      if (!this.element.isConnected) return; // not in the page yet: the room is what it was told
      this.width = 0;
      const { scrollTop, clientWidth, clientHeight } = this.element;
      this.view = { top: scrollTop, width: clientWidth, height: clientHeight };
      if (this.#refit()) this.arrange();
      else if (this.isVirtual) this.paint();
      else if (!this.options.fixed) this.#stack();
    }).observe(this.element);
  }

  // ---- columns

  #fitting() {
    const { fixed, select } = this.options;
    const cards = this.cardsAt > 0 || (!fixed && innerWidth < TELEPHONE);
    const place = this.width || this.element.clientWidth || Infinity;
    return fitColumns(this.wantedColumns, {
      room: place - (select ? pickWidth(innerWidth < TELEPHONE) : 0),
      tight: innerWidth < TELEPHONE,
      keepAll: this.keepAll || cards,
      mayTighten: fixed,
    });
  }

  #buildHead({ tight, columns, fits } = this.#fitting()) {
    const { fixed } = this.options;
    this.shownColumns = columns;
    this.shownIds = new Set(this.columns);
    this.fit.tight = tight;
    this.element.classList.toggle("tight", tight);
    this.element.classList.toggle("fits", Boolean(fits));
    replace(this.cols);
    replace(this.headRow);
    let minimum = 0;
    if (this.allBox) {
      this.cols.append(this.#sized(pickWidth(tight)));
      minimum += pickWidth(tight);
      this.headRow.append(pickCell("th", this.allBox));
    }
    this.heads = columns.map((column) => [column, this.#makeHead(column)]);
    for (const [column, cell] of this.heads) {
      const width = widthOf(column, tight);
      minimum += width;
      const grows = column.grow || (tight && column.growNarrow);
      this.cols.append(this.#sized(grows ? 0 : width));
      this.headRow.append(cell);
    }
    if (fixed) this.table.style.minWidth = `${minimum}px`;
    this.#markSort();
    this.live.clear();
    replace(this.body);
  }

  #makeHead(column) {
    const names = [column.num ? "num" : "", column.head ? "head" : ""].filter(Boolean);
    const cell = h("th", {
      scope: "col",
      class: names.join(" ") || null,
      title: column.title || null,
    });
    if (column.sort === false) cell.append(column.label);
    else
      cell.append(
        h(
          "button",
          { type: "button", class: "sort", onclick: () => this.#sortBy(column) },
          column.label,
          h("span", { class: "sort-mark", "aria-hidden": "true" }),
        ),
      );
    return cell;
  }

  /** Build the head anew when other columns have room than before. */
  #refit() {
    const next = this.#fitting();
    const same =
      next.tight === this.fit.tight &&
      next.columns.length === this.shownColumns.length &&
      next.columns.every((column, i) => column === this.shownColumns[i]);
    if (same) return false;
    this.#buildHead(next);
    return true;
  }

  #sized(width) {
    const col = h("col");
    if (width && this.options.fixed) col.style.width = `${width}px`;
    return col;
  }

  /** Show the columns of these ids; `exactly` leaves none of them out where there is no room. */
  setColumns(ids, exactly = false) {
    this.wantedColumns = this.options.columns.filter((column) => ids.includes(column.id));
    this.keepAll = exactly;
    if (!this.heads.length) return;
    this.#buildHead();
    this.arrange();
  }

  /** Ids of the columns that are shown. */
  get columns() {
    return this.shownColumns.map((column) => column.id);
  }

  // ---- order, search, groups

  #markSort() {
    for (const [column, cell] of this.heads) {
      if (column.sort === false) continue;
      const on = this.order && this.order.id === column.id;
      const direction = on ? (this.order.down ? "descending" : "ascending") : "none";
      cell.setAttribute("aria-sort", direction);
      const mark = cell.querySelector(".sort-mark");
      setText(mark, { descending: "▼", ascending: "▲", none: "" }[direction]);
    }
  }

  #sortBy(column) {
    const again = this.order && this.order.id === column.id;
    const highFirst = Boolean(column.num && !column.lowFirst);
    this.setOrder({ id: column.id, down: again ? !this.order.down : highFirst });
    if (this.options.onsort) this.options.onsort(this.order);
    this.arrange();
  }

  /** The order of the rows when they are arranged next: {id, down}. */
  setOrder(order) {
    this.order = order;
    this.#markSort();
  }

  #matches(row) {
    if (this.keep && !this.keep(row)) return false;
    if (this.hasWords(row)) return true;
    return Boolean(this.options.children) && this.searched(row).length > 0;
  }

  /** Whether a row, apart from its children, has all words of the search. */
  hasWords(row) {
    if (!this.words.length) return true;
    const columns = this.options.columns.filter((column) => column.find !== false);
    const texts = columns.map((column) => {
      const get = column.search || column.text || column.value;
      return String(get(row, this.fit) ?? "").toLowerCase();
    });
    return this.words.every((word) => texts.some((text) => text.includes(word)));
  }

  /** Show only rows with all words of the text; returns how many there are. */
  search(text) {
    this.words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
    this.element.scrollTop = 0;
    this.view.top = 0;
    this.arrange();
    return this.shown.length;
  }

  /**
   * Show only rows that pass the test. When it `narrows`, rows show those of their children that
   * pass, without being unfolded.
   */
  filter(test, narrows = false) {
    this.keep = test;
    this.narrows = narrows;
    this.arrange();
  }

  /**
   * Put rows under headings: {of(row) -> name, head(rows, name) -> {sig, parts, sums(id of a
   * column) -> its cell}, rank(rows), hasSums: two lines high, with cells under the columns of
   * figures}, or null.
   */
  group(by) {
    this.grouping = by;
    this.folded.clear();
    this.live.clear();
    replace(this.body);
    this.arrange();
  }

  /** Fold or unfold the group of that name. */
  fold(name) {
    if (!this.folded.delete(name)) this.folded.add(name);
    this.arrange();
  }

  /** Fold or unfold the children of the row with that key. */
  toggle(id) {
    if (!this.unfolded.delete(id)) this.unfolded.add(id);
    this.arrange();
  }

  /** Take these rows; cells that differ are changed, the table is not built anew. */
  update(rows) {
    this.reported = true;
    this.all = rows;
    this.isRead = performance.now() - this.pointed < READING;
    this.arrange();
    this.isRead = false;
  }

  // ---- drawing

  /** Rows in the order of the table, or where they were while somebody reads them. */
  #sorted(rows) {
    const { columns, key } = this.options;
    const sorted = sortRows(rows, columns, this.order);
    const place = (row) => this.places.get(key(row)) ?? this.places.size;
    return this.isRead ? sorted.sort((a, b) => place(a) - place(b)) : sorted;
  }

  arrange() {
    const { emptyText, key } = this.options;
    if (!this.live.size) this.#refit();
    this.shown = this.#sorted(this.all.filter((row) => this.#matches(row)));
    const lines = this.grouping ? groupRows(this.shown, this.grouping, this.folded) : this.shown;
    this.lines = this.options.children ? this.#withChildren(lines) : lines;
    const isRow = (line) => !(line instanceof Heading);
    this.places = new Map(this.lines.filter(isRow).map((row, i) => [key(row), i]));
    this.none.hidden = !this.reported || this.shown.length > 0;
    // No heads stand over nothing; where nothing matches, they stay.
    const isEmpty = this.reported && !this.all.length;
    this.table.hidden = isEmpty;
    this.element.classList.toggle("empty-table", isEmpty);
    const unmatched = "Nothing matches. Clear the search or the filters to see all.";
    setText(this.none, this.all.length ? unmatched : emptyText);
    this.table.setAttribute("aria-rowcount", String(this.lines.length + 1));
    this.paint();
  }

  #withChildren(lines) {
    return lines.flatMap((row) => {
      if (row instanceof Heading) return [row];
      const shown = this.isOpen(row) ? this.fittingChildren(row) : [];
      return [row, ...this.#sorted(shown)];
    });
  }

  /** Whether the children of a row are listed: it is unfolded, or they were searched for. */
  isOpen(row) {
    if (this.unfolded.has(this.options.key(row)) || this.narrows) return true;
    return !this.hasWords(row);
  }

  /** The children of a row that the search and the filter let through. */
  fittingChildren(row) {
    return this.searched(row).filter((child) => !this.narrows || this.keep(child));
  }

  /** The children of a row that the search lets through. */
  searched(row) {
    const isFound = this.hasWords(row);
    return this.options.children(row).filter((child) => isFound || this.hasWords(child));
  }

  /** Where the lines in view begin and end, and how much room the others take above and below. */
  #window() {
    const around = ROWS_AROUND * ROW_HEIGHT;
    const first = this.view.top - around;
    const last = this.view.top + this.view.height + around;
    const result = { from: 0, to: 0, above: 0, below: 0 };
    let top = 0;
    const headHeight = this.grouping && this.grouping.hasSums ? TWO_LINES : ROW_HEIGHT;
    this.lines.forEach((line, i) => {
      const height = line instanceof Heading ? headHeight : this.options.rowHeight(line);
      if (top + height < first) {
        result.above += height;
        result.from = i + 1;
      } else if (top > last) result.below += height;
      else result.to = i + 1;
      top += height;
    });
    return result;
  }

  get isVirtual() {
    return this.lines.length > this.options.virtualFrom;
  }

  /** The rows that are drawn: those in view, and some above and below them. */
  get drawn() {
    return [...this.live.values()].map(({ row }) => row).filter(Boolean);
  }

  paint() {
    this.frame = 0;
    const active = document.activeElement;
    const focus = this.body.contains(active) ? active : null;
    const virtual = this.isVirtual;
    this.element.classList.toggle("virtual", virtual);
    const part = virtual ? this.#window() : { from: 0, to: this.lines.length, above: 0, below: 0 };
    this.above.firstChild.firstChild.style.height = `${part.above}px`;
    this.below.firstChild.firstChild.style.height = `${part.below}px`;
    this.above.hidden = part.above === 0;
    this.below.hidden = part.below === 0;
    this.#place(part.from, part.to, virtual);
    if (!this.options.fixed) this.#stack();
    if (focus && !this.body.contains(document.activeElement))
      (focus.isConnected ? focus : this.element).focus({ preventScroll: true });
    this.markAll();
    if (this.options.onpaint) this.options.onpaint();
  }

  /** Take out all lines but those from `from` up to `to`, and put these in their order. */
  #place(from, to, virtual) {
    const lines = this.lines.slice(from, to).map((line) => {
      const heading = line instanceof Heading;
      return { line, heading, id: heading ? line.id : this.options.key(line) };
    });
    const wanted = new Set(lines.map(({ id }) => id));
    // First: a row that stays would have to be moved past those that go.
    for (const [id, entry] of this.live) {
      if (wanted.has(id)) continue;
      entry.element.remove();
      this.live.delete(id);
    }
    let at = this.body.firstChild;
    for (const [i, { line, heading, id }] of lines.entries()) {
      if (!this.live.has(id))
        this.live.set(id, heading ? new HeadingRow(this, line.name) : new TableRow(this));
      const entry = this.live.get(id);
      entry.fill(line);
      if (virtual) entry.element.setAttribute("aria-rowindex", String(from + i + 2));
      if (entry.element !== at) this.body.insertBefore(entry.element, at);
      else at = at.nextSibling;
    }
  }

  /** Rows as cards, with all columns, where the table is wider than its place. */
  #stack() {
    const { clientWidth } = this.element;
    if (clientWidth <= this.cardsAt) return; // it is too wide here, too
    const wereCards = this.cardsAt > 0;
    if (wereCards) this.#setCards(0);
    const isFitted = wereCards && this.#refit();
    if (!isFitted && this.element.scrollWidth > clientWidth + 1) {
      this.#setCards(clientWidth);
      if (this.#refit()) this.arrange();
    } else if (isFitted) this.arrange();
  }

  /** Rows become cards at this width, or with 0 rows again; some cells say more in a card. */
  #setCards(width) {
    this.cardsAt = width;
    this.fit.cards = width > 0;
    this.element.classList.toggle("stacked", this.fit.cards);
    for (const entry of this.live.values()) if (entry instanceof TableRow) entry.fill(entry.row);
  }

  markAll() {
    const { select, key } = this.options;
    if (!select) return;
    markBox(this.allBox, this.shown, select, key);
    for (const entry of this.live.values())
      if (entry instanceof HeadingRow) markBox(entry.box, entry.rows, select, key);
  }
}
