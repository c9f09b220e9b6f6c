// Running a Python file inside the node's process: the node decides whether it lets us.

import { button, field, guarded, nodeLink, setOff, working } from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { format } from "../format.js";
import { changeFields } from "../forms.js";
import { explain, panelFrame } from "../panel.js";
import { subscribe } from "../server.js";

const SAMPLE =
  "# Runs inside the process of the node. What you assign to `result` is returned.\n" +
  "# Only modules that the node allows can be imported (script_allowed_imports).\n" +
  "result = 'hello from ' + str(app)\n";

/** What the line above a script's output says. */
function outcomeText(answer) {
  if (answer.ok) return `Done in ${format(answer.seconds, "seconds")}.`;
  if (answer.status === 404) return "The node refused to run the script:";
  return `The node returned ${answer.status}:`;
}

class ScriptForm {
  constructor(ctx) {
    this.ctx = ctx;
    this.editor = h("textarea", { rows: 14, spellcheck: "false", name: "script", value: SAMPLE });
    this.file = h("input", { type: "file", accept: ".py,text/x-python,text/plain" });
    this.file.addEventListener("change", async () => {
      if (this.file.files[0]) this.editor.value = await this.file.files[0].text();
    });
    this.status = h("p", { class: "panel-line", role: "status" });
    const label = "Response";
    this.output = h("pre", { class: "block", tabindex: "0", hidden: true, "aria-label": label });
    this.run = button("Run on this node", () => this.#ask(), { kind: "primary" });
    guarded(this.run, ctx.signal, ctx.node);
    this.why = h("p", { class: "quiet-line" });
    subscribe(() => this.#tellDown(), ctx.signal);
    this.#tellDown();
  }

  #tellDown() {
    const isDown = (this.ctx.node() || {}).state === "down";
    setText(this.why, isDown ? "The node is down: no script can run on it." : "");
  }

  /** Whether the node's configuration lets it run scripts. */
  allow(on) {
    setOff(this.run, !on);
    this.file.disabled = this.editor.disabled = !on;
  }

  async #ask() {
    const sure = await confirmDialog({
      title: `Run this script in ${this.ctx.node().key}?`,
      text: "It runs in the serving process with all its permissions.",
      action: "Run",
      danger: true,
    });
    if (sure) await working(this.run, () => this.#send());
  }

  async #send() {
    setText(this.status, "Running …");
    this.output.hidden = true;
    const body = new FormData();
    body.append("script", new Blob([this.editor.value], { type: "text/x-python" }), "script.py");
    try {
      const answer = await this.ctx.request("/run_script", { method: "POST", body });
      this.status.className = answer.ok ? "panel-line" : "panel-line said";
      setText(this.status, outcomeText(answer));
      this.output.classList.toggle("wrapped", !answer.ok); // a reason is prose
      replace(this.output, answer.text || "(no text)");
      this.output.hidden = false;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      setText(this.status, explain(error, this.ctx.node()));
    }
  }
}

export function mount(root, ctx) {
  const form = new ScriptForm(ctx);
  const allowed = h("p", { class: "panel-line" });
  tellAllowed(ctx, allowed, form);
  const frame = panelFrame({
    title: "Script",
    note: "runs inside the node’s process",
    path: "/run_script",
    curlOptions: { method: "POST", form: "script=@script.py" },
    ctx,
    render: (_, body) =>
      body.append(
        allowed,
        changeFields(ctx.signal, field("From a file", form.file), field("Script", form.editor)),
        h("div", { class: "actions" }, form.run),
        form.why,
        form.status,
        form.output,
      ),
  });
  root.append(frame.element);
}

/** Say beforehand what the node's configuration allows, where it can be asked. */
async function tellAllowed(ctx, line, form) {
  const kind = ctx.node().kind;
  if (!["worker", "scheduler", "mp"].includes(kind)) return;
  form.allow(false); // until it is known
  setText(line, "Loading whether the node allows scripts …");
  try {
    const { data } = await ctx.json(
      kind === "mp" ? "/config" : "/conf?names=run_script_api_enabled,script_allowed_imports",
    );
    const { run_script_api_enabled: on, script_allowed_imports: imports } =
      kind === "mp" ? data.mp || {} : data;
    form.allow(on !== false);
    if (on === undefined) {
      setText(line, "");
      return;
    }
    const href = `${nodeLink(ctx.node(), "config")}?q=run_script_api_enabled`;
    const config = h("a", { href }, "Config");
    replace(
      line,
      on
        ? `Scripts are enabled. Allowed imports: ${(imports || []).join(", ") || "none"}.`
        : [
            "Scripts are disabled on this node: run_script_api_enabled is false in its ",
            config,
            ".",
          ],
    );
  } catch (error) {
    if (error.name === "AbortError") return;
    // The node's answer to a script says it, too.
    form.allow(true);
    setText(line, "");
  }
}
