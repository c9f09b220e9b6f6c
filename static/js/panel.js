// The frame of a node's panel: its title and one menu, and what it says while it loads or when it
// fails.

import { copy, menuButton, noConnection } from "./controls.js";
import { h, icon, replace, setText } from "./dom.js";
import { curl, frontendsOf, store, whenBack } from "./server.js";
import { kindName } from "./words.js";

/** The entries of a panel's menu, in its two groups. */
function menuOf(frame) {
  const { path, ctx, curlOptions, entries } = frame.options;
  const first = [
    frame.options.load && {
      label: "Refresh",
      image: "refresh",
      act: frame.again,
      disabled: Boolean(store.error),
      title: store.error ? noConnection() : null,
    },
    ...(entries ? entries() : []),
  ].filter(Boolean);
  const second = [
    frame.options.load && {
      label: frame.rawBox.hidden ? "Show raw response" : "Hide raw response",
      image: "page",
      act: frame.toggleRaw,
    },
    path && {
      label: "Copy as curl",
      image: "copy",
      act: () => copy(curl(ctx.node().path + path, curlOptions), "curl command copied"),
    },
  ].filter(Boolean);
  return first.length && second.length ? [...first, null, ...second] : [...first, ...second];
}

/** A panel: see `panelFrame`. */
class PanelFrame {
  constructor(options) {
    this.options = { note: "", path: null, load: null, tools: [], curlOptions: {}, ...options };
    this.loaded = false;
    this.run = this.run.bind(this);
    this.again = this.again.bind(this);
    this.toggleRaw = this.toggleRaw.bind(this);
    this.#build();
    if (this.options.load) {
      // What stands below is shown when this has its size.
      this.element.classList.add("asking");
      this.run();
    } else this.options.render(null, this.body);
  }

  #build() {
    const { title, note, tools, load, path } = this.options;
    this.body = h("div", { class: "panel-body" });
    this.rawBox = h("pre", {
      class: "raw",
      tabindex: "0",
      role: "region",
      hidden: true,
      "aria-label": `${title}: raw response`,
    });
    this.line = h("p", { class: "panel-line", role: "status" });
    const menu = menuButton(icon("more"), () => menuOf(this), {
      kind: "little bare panel-menu",
      label: `Actions for ${title}`,
    });
    this.element = h(
      "section",
      { class: "panel", "aria-label": title },
      h(
        "header",
        { class: "panel-head" },
        h("h2", {}, title),
        note ? h("p", { class: "muted" }, note) : null,
        h("div", { class: "panel-tools" }, tools, load || path ? menu : null),
      ),
      this.line,
      this.body,
      this.rawBox,
    );
  }

  toggleRaw() {
    this.rawBox.hidden = !this.rawBox.hidden;
    this.body.hidden = !this.rawBox.hidden;
    if (!this.rawBox.hidden) this.rawBox.focus();
  }

  #controls() {
    return [...this.body.querySelectorAll("a, button, input, select, textarea")];
  }

  /** What was drawn anew has the focus where it was, so that the keyboard goes on from there. */
  #focus(at) {
    const controls = this.#controls();
    const menu = this.element.querySelector(".panel-menu");
    const next = controls[Math.min(at, controls.length - 1)];
    if (next) next.focus({ preventScroll: true });
    if (document.activeElement === document.body && menu) menu.focus({ preventScroll: true });
  }

  /** Load it once more, from a node that is down, too. */
  again() {
    this.options.ctx.anyway = true;
    return this.run();
  }

  async run() {
    const { load, render, ctx } = this.options;
    if (!this.loaded) setText(this.line, "Loading …");
    let raw = null;
    try {
      const found = await load(ctx.signal);
      raw = found.raw;
      this.loaded = true;
      this.element.classList.remove("absent");
      setText(this.line, "");
      this.line.className = "panel-line";
      setText(this.rawBox, raw ?? "");
      const at = this.#controls().indexOf(document.activeElement);
      if (!this.options.keeps) replace(this.body);
      this.body.classList.remove("stale");
      render(found.data, this.body);
      if (at >= 0) this.#focus(at);
    } catch (error) {
      if (error.name === "AbortError") return;
      const text = explain(error, ctx.node());
      if (error.isUnasked) ctx.sayUnasked();
      if (error.isUnreachable) whenBack(this.run, ctx.signal);
      const isLine = error.isUnasked || text.startsWith("Not available");
      this.element.classList.toggle("absent", !this.loaded && isLine);
      this.line.className = "panel-line said";
      setText(this.line, text);
      this.body.classList.add("stale");
      const body = error.body ?? raw;
      if (body) setText(this.rawBox, body);
    } finally {
      this.element.classList.remove("asking");
    }
  }
}

/**
 * The frame of a node's panel: its title, and a menu with refresh, raw response, copy as curl, and
 * `entries()`; loading and failure are one line.
 * `load(signal)` returns {data, raw}; `render(data, body)` shows it, in an empty body unless the
 * panel `keeps` what it drew. `path` and `curlOptions` make
 * the curl command; `tools` are controls beside the menu.
 */
export const panelFrame = (options) => new PanelFrame(options);

/** An error of a node in one line: what it does not offer is a fact, not a failure. */
export function explain(error, node) {
  const kind = (node && kindName(node.kind)) || "node";
  if (error.status === 404 || error.status === 405)
    return `Not available: this ${kind} has no such endpoint (${error.status}).`;
  if (error.status === 403 || error.status === 401) return `Read-only: ${error.message}`;
  if (error.status === 503) return `Not available on this ${kind}: ${error.message}`;
  if (error.status === 502 || error.status === 504) {
    const frontends = node && store.status ? frontendsOf(store.status) : [];
    const isAway = frontends.some((one) => one.name === node.proxy && one.state === "down");
    const who = isAway ? `its frontend ${node.proxy}` : "the node";
    return `No response from ${who}: ${error.message}`;
  }
  // A response of another shape than a panel reads: what it is, the raw response shows.
  if (error instanceof TypeError) return "The response is not in the expected format.";
  if (error.status === 200) return `The node’s response cannot be shown: ${error.message}.`;
  if (error.status) return `The node returned ${error.status}: ${error.message}`;
  return /\.$/.test(error.message) ? error.message : `Not loaded: ${error.message}.`;
}
