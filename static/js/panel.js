// The frame of a node's panel: its title and menu, and what it says while it loads or when it
// fails.

import { button, copy } from "./controls.js";
import { h, replace, setText } from "./dom.js";
import { curl } from "./server.js";

/**
 * The frame of a node's panel: title, refresh, raw view, copy as curl; loading and failure said in
 * one line. `load(signal)` returns {data, raw}; `render(data, body)` shows it. `node`, `path`,
 * `method` and `body` make the curl command.
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
  if (error.status === 403 || error.status === 401) return `Read-only: ${error.message}`;
  if (error.status === 503) return `Not available on this ${kind}: ${error.message}`;
  if (error.status === 502 || error.status === 504)
    return `The node did not answer: ${error.message}`;
  return error.status ? `The node answered ${error.status}: ${error.message}` : error.message;
}
