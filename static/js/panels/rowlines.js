// Rows of a long table of metrics: how many lines a name and its labels take is computed, as the
// height of rows that are not drawn must be known.

import { h } from "../dom.js";
import { widthOf } from "../table.js";

export const LETTER = 7.3; // px of a letter of a name
export const PADDING = 18; // px of a cell, and its line
const LINE = 20; // px
export const AROUND = 11; // px above and below the content of a row

const pieces = (name) => name.split(/(?<=[_:])/);

/** A name that is broken only where its lines are counted for it. */
export const inPieces = (name) => pieces(name).map((piece, i) => [i ? h("wbr") : null, piece]);

/** How many lines of so many letters these words take; a longer word has lines of its own. */
export function linesOf(words, letters, gap = 1) {
  let [lines, used] = [0, letters];
  for (const { length } of words) {
    const fits = used + length <= letters;
    if (!fits) lines += Math.ceil(length / letters);
    used = Math.min(letters, (fits ? used : 0) + length + gap);
  }
  return lines;
}

/** The height of the rows of `table`; `labels(row)` are those that stand below the name. */
export class RowLines {
  constructor(table, labels) {
    Object.assign(this, { table, labels });
    this.heights = new Map(); // row -> px, while the columns and their room stay
    this.columns = null;
    this.room = 0;
    this.nameRoom = 0;
    this.labelRoom = 0;
  }

  #measure() {
    const { shownColumns, fit, view, element } = this.table;
    const room = view.width || element.clientWidth;
    if (this.columns === shownColumns && this.room === room) return;
    this.columns = shownColumns;
    this.room = room;
    this.heights.clear();
    const others = shownColumns.filter((column) => !column.head);
    const taken = others.reduce((sum, column) => sum + widthOf(column, fit.tight), 0);
    const [head] = shownColumns.filter((column) => column.head);
    const own = head.grow ? this.room - taken : widthOf(head, fit.tight);
    this.nameRoom = own - PADDING;
    // Where there is little room, labels stand below the value, too.
    this.labelRoom = fit.tight ? this.room - PADDING : this.nameRoom;
  }

  /** px, of a row as it is shown now. */
  height(row) {
    this.#measure();
    if (!this.heights.has(row)) this.heights.set(row, this.#heightOf(row));
    return this.heights.get(row);
  }

  #heightOf(row) {
    const letters = (room) => Math.max(1, Math.floor(room / LETTER));
    const name = this.table.fit.tight ? linesOf(pieces(row.name), letters(this.nameRoom), 0) : 1;
    const labels = linesOf(this.labels(row), letters(this.labelRoom));
    return LINE * (name + labels) + 1 + AROUND;
  }
}
