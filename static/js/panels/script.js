// Running a Python file inside the node's process: the node decides whether it lets us.

import { button, field, guarded, working } from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { format } from "../format.js";
import { explain, panelFrame } from "../panel.js";

const SAMPLE =
  "# Runs inside the node's process. What you assign to `result` is returned.\n" +
  "# Only modules that the node allows can be imported (script_allowed_imports).\n" +
  "result = 'hello from ' + str(app)\n";

export function mount(root, ctx) {
  const editor = h("textarea", { rows: 14, spellcheck: "false", name: "script" });
  editor.value = SAMPLE;
  const file = h("input", { type: "file", accept: ".py,text/x-python,text/plain" });
  file.addEventListener("change", async () => {
    if (file.files[0]) editor.value = await file.files[0].text();
  });
  const status = h("p", { class: "panel-line", role: "status" });
  const output = h("pre", {
    class: "block",
    tabindex: "0",
    hidden: true,
    "aria-label": "Response",
  });
  const run = button(
    "Run on this node",
    async () => {
      if (
        !(await confirmDialog({
          title: `Run this script in ${ctx.node().key}?`,
          text: "It runs in the serving process with all its rights.",
          action: "Run",
          danger: true,
        }))
      )
        return;
      await working(run, async () => {
        setText(status, "Running …");
        output.hidden = true;
        const form = new FormData();
        form.append("script", new Blob([editor.value], { type: "text/x-python" }), "script.py");
        try {
          const answer = await ctx.request("/run_script", { method: "POST", body: form });
          status.className = answer.ok ? "panel-line" : "panel-line said";
          setText(
            status,
            answer.ok
              ? `Done in ${format(answer.seconds, "seconds")}.`
              : answer.status === 404
                ? "This node does not run scripts. Its reason:"
                : `The node answered ${answer.status}:`,
          );
          output.classList.toggle("wrapped", !answer.ok); // a reason is prose
          replace(output, answer.text || "(no text)");
          output.hidden = false;
        } catch (error) {
          if (error.name === "AbortError") throw error;
          setText(status, explain(error, ctx.node()));
        }
      });
    },
    { kind: "primary" },
  );
  guarded(run, ctx.signal, ctx.node);
  const allowed = h("p", { class: "panel-line" });
  tellAllowed(ctx, allowed);
  const frame = panelFrame({
    title: "Script",
    note: "runs inside the node’s process",
    path: "/run_script",
    curlOptions: { method: "POST", form: "script=@script.py" },
    ctx,
    render: (_, body) =>
      body.append(
        allowed,
        field("From a file", file),
        field("Script", editor),
        h("div", { class: "actions" }, run),
        status,
        output,
      ),
  });
  root.append(frame.element);
}

/** Say beforehand what the node's configuration allows, where it can be asked. */
async function tellAllowed(ctx, line) {
  const kind = ctx.node().kind;
  if (!["worker", "scheduler", "mp"].includes(kind)) return;
  try {
    const { data } = await ctx.json(
      kind === "mp" ? "/config" : "/conf?names=run_script_api_enabled,script_allowed_imports",
    );
    const { run_script_api_enabled: on, script_allowed_imports: imports } =
      kind === "mp" ? data.mp || {} : data;
    if (on === undefined) return;
    setText(
      line,
      on
        ? `Scripts are on here; they may import ${(imports || []).join(", ") || "nothing"}.`
        : "Scripts are off on this node: run_script_api_enabled is false there.",
    );
  } catch (error) {
    /* the node's answer to a script says it too */
  }
}
