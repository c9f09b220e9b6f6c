// The levels that a logger has now on the nodes whose level is about to be set.

import { plural } from "../format.js";
import { each, getText, nodePath } from "../server.js";

const PAUSE = 800; // ms without another key: a node that is asked creates the logger
const MOST_ASKED = 128; // nodes whose level is asked for
const PARALLEL = 3; // requests at a time
const TIMEOUT = 10; // seconds
const LEVEL = /: (\S+)\s*$/; // "lmcache: INFO"

export class LevelsNow {
  /** `changed()` is called when levels came in. */
  constructor(signal, changed) {
    Object.assign(this, { signal, changed });
    this.logger = "";
    this.nodes = [];
    this.levels = new Map(); // key of a node -> its level, "" while it is not known
    this.timer = 0;
    this.asking = new AbortController();
    signal.addEventListener("abort", () => this.forget());
  }

  /** Ask the nodes soon that have not been asked. */
  update(logger, nodes) {
    if (logger !== this.logger) this.forget();
    Object.assign(this, { logger, nodes });
    const isOpen = ({ key, state }) => state !== "down" && !this.levels.has(key);
    const open = nodes.slice(0, MOST_ASKED).filter(isOpen);
    clearTimeout(this.timer);
    if (logger && open.length) this.timer = setTimeout(() => this.#ask(open), PAUSE);
  }

  /** What nodes have is not known any more, and nothing is asked until the next update. */
  forget() {
    clearTimeout(this.timer);
    this.asking.abort();
    this.asking = new AbortController();
    this.levels.clear();
  }

  async #ask(nodes) {
    const { signal } = this.asking;
    const path = `/loglevel?logger_name=${encodeURIComponent(this.logger)}`;
    for (const { key } of nodes) this.levels.set(key, "");
    const load = (node) => getText(nodePath(node, path), { signal, timeout: TIMEOUT });
    const told = ({ key }, text) => {
      const match = LEVEL.exec(text || "");
      if (match && !signal.aborted) this.levels.set(key, match[1]);
    };
    await each(nodes, load, told, PARALLEL);
    if (!signal.aborted) this.changed();
  }

  /** What a node has now, for its row; "" when it has not told. */
  nowOf({ key }) {
    const level = this.levels.get(key);
    return level ? `now ${levelText(level)}` : "";
  }

  /** "Now INFO on 3 nodes, not set on 1 node"; "" when no node has told. */
  nowText() {
    const told = this.nodes.map(({ key }) => this.levels.get(key)).filter(Boolean);
    const count = (level) => told.filter((one) => one === level).length;
    const parts = [...new Set(told)]
      .sort((a, b) => count(b) - count(a))
      .map((level) => `${levelText(level)} on ${plural(count(level), "node")}`);
    return parts.length ? `Now ${parts.join(", ")}` : "";
  }
}

const levelText = (level) => (level === "NOTSET" ? "not set" : level);
