// Which nodes the page of nodes lists: by state, kind, source and instance, kept in its address.

import { button, sayMatches, searchBox, stateMark } from "../controls.js";
import { h, replace } from "../dom.js";
import { byName, plain } from "../format.js";
import { instanceName } from "../server.js";
import { KINDS, STATES } from "../words.js";

/** The lists: their name in the address, what all are, what a row is, how that is said. */
const CHOICES = [
  { id: "kind", all: "All kinds", of: (row) => row.type, say: (kind) => KINDS[kind] },
  { id: "source", all: "All sources", of: (row) => row.source, say: sourceName },
  { id: "instance", all: "All instances", of: instanceName, say: (name) => name },
];

function sourceName(source) {
  const [, frontend] = /^proxy:(.*)$/.exec(source) || [];
  return frontend ? `frontend ${frontend}` : source;
}

export class NodeFilters {
  /** The text is searched for in the `table`; `changed()` is called when others are wanted. */
  constructor({ table, changed }) {
    this.table = table;
    this.changed = changed;
    this.wanted = {};
    this.signature = "";
    this.find = searchBox("Search nodes", (text) => {
      table.search(text);
      this.#want("q", text);
    });
    this.states = h("span", { class: "chips", role: "group", "aria-label": "Filter by state" });
    this.boxes = CHOICES.map(({ id, all }) => {
      const box = h("select", { "aria-label": `Filter by ${id}` }, h("option", { value: "" }, all));
      box.addEventListener("change", () => this.#want(id, box.value));
      return box;
    });
    this.elements = [this.find, this.states, ...this.boxes];
  }

  /** Take over what an address says. */
  take(query) {
    for (const id of ["q", "state", ...CHOICES.map((choice) => choice.id)])
      this.wanted[id] = query.get(id) || "";
    this.find.querySelector("input").value = this.wanted.q;
    this.signature = "";
    this.table.search(this.wanted.q);
    this.changed();
  }

  #want(id, value) {
    this.wanted[id] = value;
    this.#keepAddress();
    this.changed();
  }

  #keepAddress() {
    const wanted = Object.entries(this.wanted).filter(([, value]) => value);
    const text = new URLSearchParams(wanted).toString();
    history.replaceState(history.state, "", `${location.search}#/nodes${text ? `?${text}` : ""}`);
  }

  /** Whether a row is wanted, as far as the lists and the state say. */
  fits(row) {
    const { state } = this.wanted;
    return (!state || row.state === state) && this.#isChosen(row);
  }

  #isChosen(row) {
    return CHOICES.every(({ id, of }) => !this.wanted[id] || of(row) === this.wanted[id]);
  }

  /** Offer what these rows have. */
  update(rows) {
    const counts = {}; // state -> rows of nodes and frontends that all but the state let through
    for (const { state } of rows) counts[state] = 0;
    const found = rows.filter((row) => this.table.hasWords(row) && this.#isChosen(row));
    for (const { state } of found) counts[state] += 1;
    sayMatches(this.find, found.filter((row) => this.fits(row)).length);
    const values = CHOICES.map(({ of }) => [...new Set(rows.map(of).filter(Boolean))].sort(byName));
    const signature = JSON.stringify([counts, values, this.wanted]);
    if (signature === this.signature) return;
    this.signature = signature;
    this.#drawStates(counts);
    CHOICES.forEach((choice, i) => this.#drawChoice(choice, this.boxes[i], values[i]));
  }

  #drawStates(counts) {
    const { state: chosen } = this.wanted;
    const shown = STATES.filter((state) => state in counts || state === chosen);
    replace(
      this.states,
      shown.length > 1 || chosen
        ? shown.map((state) => {
            const mark = stateMark(state);
            mark.lastChild.textContent = ` ${plain(counts[state] || 0)} ${state}`;
            const on = state === chosen;
            const act = () => this.#want("state", on ? "" : state);
            const chip = button(mark, act, { kind: "chip" });
            chip.setAttribute("aria-pressed", String(on));
            return chip;
          })
        : null,
    );
  }

  #drawChoice({ id, all, say }, box, values) {
    const chosen = this.wanted[id];
    const offered = values.includes(chosen) || !chosen ? values : [chosen, ...values];
    const options = offered.map((value) => h("option", { value }, say(value) || value));
    replace(box, h("option", { value: "" }, all), options);
    box.value = chosen;
    box.hidden = offered.length < 2 && !chosen;
  }
}
