// The fields of a changed setting: what its nodes have now says what may be entered, and is told.

import { field } from "../controls.js";
import { h, replace, setText } from "../dom.js";
import { markWrong } from "../forms.js";
import { plain, plural } from "../format.js";
import { each, getJson, nodePath } from "../server.js";
import { readValue, show } from "../panels/config.js";
import { DEFAULTS } from "../panels/defaults.js";

const MOST_ASKED = 128; // nodes whose value is asked for
const MOST_VALUES = 4; // different values that are told
const TIMEOUT = 15; // seconds
const PAUSE = 300; // ms without another key before nodes are asked
const SETTLED = 1500; // ms without another key after which a name is taken as a whole one
const ABSENT = undefined; // a node has no such setting

/** A typed value as JSON, or as text where it is none. */
function readAny(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    return text;
  }
}

const input = (name, more) =>
  h("input", { name, spellcheck: "false", autocomplete: "off", ...more });

export class SettingFields {
  /** `changed()` is called when something was entered or a node's value came in. */
  constructor(signal, changed) {
    Object.assign(this, { signal, changed });
    this.nodes = []; // those that would be changed
    this.values = new Map(); // key of a node -> {value} of `asked`, null while it is not known
    this.asked = ""; // name of a setting
    this.isTold = false; // the nodes that were asked for it first have responded
    this.timer = 0;
    this.isTyping = false; // in the middle of a name: that no node has it is not said yet
    this.settling = 0;
    this.name = input("setting", {
      placeholder: "e.g. min_retrieve_tokens",
      list: "setting-names",
    });
    this.text = input("value", { placeholder: "e.g. 512, true or text" });
    const option = (value) => h("option", { value }, value || "Choose …");
    this.choice = h("select", { name: "value" }, ["", "true", "false"].map(option));
    this.control = this.text;
    this.place = h("span", { class: "contents" }, this.text);
    this.hint = h("small", { class: "muted", id: "value-hint" });
    const error = { class: "field-error", id: "setting-error", role: "status", hidden: true };
    this.error = h("small", error);
    const names = h(
      "datalist",
      { id: "setting-names" },
      [...DEFAULTS.keys()].sort().map((value) => h("option", { value })),
    );
    this.fields = [
      field("Setting", [this.name, names, this.error]),
      h("label", { class: "field" }, h("span", {}, "New value"), this.place, this.hint),
    ];
    this.name.addEventListener("input", () => this.#type());
    for (const left of ["change", "blur"]) this.name.addEventListener(left, () => this.#settle());
    for (const one of [this.name, this.text, this.choice])
      one.addEventListener("input", () => this.changed());
  }

  #type() {
    this.isTyping = true;
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.#settle(), SETTLED);
  }

  /** The name is a whole one: who typed it paused or left the field. */
  #settle() {
    clearTimeout(this.settling);
    if (!this.isTyping || this.signal.aborted) return;
    this.isTyping = false;
    this.changed();
  }

  get setting() {
    return this.name.value.trim();
  }

  /** Fill in a change; it is shown, and nothing is sent. */
  fill(name, value) {
    this.name.value = name;
    this.#follow();
    this.text.value = value;
    this.choice.value = ["true", "false"].includes(value) ? value : "";
  }

  /** Ask what the nodes have now, soon, and offer what may be entered. */
  update(nodes) {
    this.#follow();
    this.nodes = nodes;
    this.#offer();
    const open = nodes.slice(0, MOST_ASKED).filter((node) => !this.values.has(node.key));
    clearTimeout(this.timer);
    if (this.asked && open.length) this.timer = setTimeout(() => this.#ask(open), PAUSE);
  }

  /** What nodes have is not known any more: something was sent to them. */
  forget() {
    this.values.clear();
  }

  #follow() {
    if (this.asked === this.setting) return;
    this.asked = this.setting;
    this.isTold = false;
    this.values.clear();
  }

  async #ask(nodes) {
    const { asked, signal } = this;
    const path = `/conf?names=${encodeURIComponent(asked)}`;
    const options = { signal, timeout: TIMEOUT };
    for (const node of nodes) this.values.set(node.key, null);
    const load = (node) => getJson(nodePath(node, path), options);
    await each(nodes, load, (node, conf) => {
      if (asked !== this.asked) return;
      if (conf) this.values.set(node.key, { value: conf[asked] });
      else this.values.delete(node.key); // asked again with the next update
    });
    if (signal.aborted || asked !== this.asked) return;
    this.isTold = true;
    this.changed();
  }

  /** [value, how many nodes have it], the most frequent first. */
  #counts() {
    const told = this.nodes.map((node) => this.values.get(node.key)).filter(Boolean);
    const by = new Map();
    for (const { value } of told) {
      const [, count] = by.get(show(value)) || [value, 0];
      by.set(show(value), [value, count + 1]);
    }
    return [...by.values()].sort((a, b) => b[1] - a[1]);
  }

  /** A value that tells the type; undefined when none is known. */
  get sample() {
    const known = this.#counts().map(([value]) => value);
    const typed = known.find((value) => value !== ABSENT && value !== null);
    return typed ?? DEFAULTS.get(this.asked) ?? known[0] ?? DEFAULTS.get(this.asked);
  }

  #offer() {
    const isChoice = typeof this.sample === "boolean";
    const control = isChoice ? this.choice : this.text;
    if (this.control !== control) {
      const focused = document.activeElement === this.control;
      replace(this.place, control);
      this.control = control;
      if (focused) control.focus();
    }
    this.text.inputMode = typeof this.sample === "number" ? "decimal" : "text";
    this.#tell(isChoice ? "true or false" : "JSON, or plain text");
  }

  /** Say at each field what is wrong there; at a value that is not, what nodes have or its form. */
  #tell(form) {
    const { valueProblem } = this;
    const isWrong = Boolean(this.nameProblem || this.nameDoubt);
    const [nameProblem, nameDoubt] = this.isTyping ? ["", ""] : [this.nameProblem, this.nameDoubt];
    const saidOfName = nameProblem || nameDoubt;
    setText(this.error, saidOfName);
    this.error.hidden = !saidOfName;
    this.error.className = nameDoubt ? "odd-mark" : "field-error";
    markWrong(this.name, this.error, Boolean(nameProblem));
    const now = isWrong ? "" : this.nowText();
    setText(this.hint, valueProblem || now || form);
    this.hint.className = valueProblem ? "field-error" : "muted";
    for (const box of [this.text, this.choice])
      markWrong(box, this.hint, box === this.control && Boolean(valueProblem));
  }

  /** The value as the nodes take it; throws what is wrong with it. */
  read() {
    const { sample, control } = this;
    if (sample === undefined) return readAny(control.value);
    return readValue(control.value, sample, DEFAULTS.get(this.asked));
  }

  /** What is wrong with the setting that was entered; "" when nothing is. */
  get nameProblem() {
    const isNowhere = this.nodes.length > 0 && this.#lacking === this.nodes.length;
    return this.setting && isNowhere ? "No selected node has this setting." : "";
  }

  /** What is said of a setting that no node has that was asked, where others were not. */
  get nameDoubt() {
    const checked = this.#lacking;
    const rest = this.nodes.length - checked;
    if (!this.isTold || !checked || !rest || this.#counts().length > 1) return "";
    const were = rest === 1 ? "was" : "were";
    const others = `${plural(rest, "selected node")} ${were} not checked`;
    return `◆ No such setting on the ${plural(checked, "node")} checked; ${others}.`;
  }

  /** What is wrong with the value that was entered; "" when nothing is, or without a setting. */
  get valueProblem() {
    if (!this.setting || !this.control.value || this.nameProblem) return "";
    try {
      this.read();
      return "";
    } catch (error) {
      return error.message;
    }
  }

  /** How many of the nodes have no such setting, as far as they were asked. */
  get #lacking() {
    const [, count] = this.#counts().find(([value]) => value === ABSENT) || [ABSENT, 0];
    return count;
  }

  /** What is still to be entered or corrected; "" when the change can be sent. */
  get missing() {
    const hasValue = Boolean(this.control.value);
    if (!this.setting) return hasValue ? "Enter a setting." : "Enter a setting and its new value.";
    if (this.nameProblem) return this.isTyping ? "Enter a setting." : "Correct the setting.";
    if (!hasValue) return "Enter the new value.";
    return this.valueProblem ? "Correct the new value." : "";
  }

  /** "Now true on 4 nodes, false on 1 node"; "" when no node has told. */
  nowText() {
    const counts = this.#counts();
    const having = counts.filter(([value]) => value !== ABSENT);
    const lacking = this.#lacking;
    const shown = having
      .slice(0, MOST_VALUES)
      .map(([value, count]) => `${show(value)} on ${plural(count, "node")}`);
    const more = having.length - shown.length;
    if (more > 0) shown.push(`${plain(more)} other values`);
    const where = lacking ? `such setting on ${plural(lacking, "node")}` : "";
    if (!shown.length) return where && `No ${where}`;
    if (where) shown.push(`no ${where}`);
    return `Now ${shown.join(", ")}`;
  }

  /** What a node has now, for its row. */
  nowOf(node) {
    const told = this.values.get(node.key);
    if (!told) return "";
    return told.value === ABSENT ? "no such setting" : `now ${show(told.value)}`;
  }
}
