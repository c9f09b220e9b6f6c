// Questions in a <dialog>: focus is kept inside and goes back where it was.

import { h, replace, whole } from "./dom.js";
import { markWrong } from "./forms.js";

/**
 * The server's messages begin with a small letter and end without a full stop; a name or an address
 * at the start stays as it is.
 */
const sentence = (text) =>
  text.replace(/^[a-z](?=[a-z]* )/, (first) => first.toUpperCase()).replace(/[^.?!]$/, "$&.");

/**
 * Show what is wrong beside the field that it names, else in `error`, and go to the first of
 * several `problems`; null clears all.
 */
function showProblem(form, error, problem) {
  for (const old of form.querySelectorAll(".field-error[data-field]")) {
    markWrong(form.elements.namedItem(old.dataset.field), old, false);
    old.remove();
  }
  error.hidden = true;
  if (!problem) return;
  const inputs = (problem.problems || [problem]).map((one) => showOne(form, error, one));
  inputs.find(Boolean)?.focus();
}

/** Show one problem; returns the field that it names. */
function showOne(form, error, problem) {
  const input = problem.field ? form.elements.namedItem(problem.field) : null;
  if (!(input instanceof Element)) {
    replace(error, whole(sentence(problem.message)));
    error.hidden = false;
    return null;
  }
  const id = `error-${problem.field}`;
  const props = { class: "field-error", id, role: "alert", dataset: { field: problem.field } };
  const note = h("span", props, whole(sentence(problem.message)));
  markWrong(input, note, true);
  input.closest("label, .field").append(note);
  return input;
}

/** An open dialog asks about what was shown: it closes without an answer. */
function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}
addEventListener("hashchange", closeDialogs);

let opened = 0; // how many dialogs there were

/**
 * A form in a dialog; one that is `isOver` leaves open what is below it. `build(body, form)` fills
 * it; `submit(form)` may throw {message, field}, or several as {problems}: each message is shown
 * beside its field and the dialog stays. Resolves with what submit returned, or null when
 * cancelled.
 */
export function formDialog({ title, build, submit, isOver = false, ...look }) {
  const { action = "Save", danger = false, extra = [] } = look;
  opened += 1;
  const id = `dialog-title-${opened}`;
  return new Promise((resolve) => {
    const body = h("div", { class: "dialog-body" });
    const error = h("p", { class: "field-error", role: "alert", hidden: true });
    const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, action);
    const cancel = h("button", { type: "button" }, "Cancel");
    const form = h(
      "form",
      { method: "dialog", novalidate: true },
      h("h2", { id }, whole(title)),
      body,
      error,
      h("div", { class: "dialog-actions" }, extra, h("span", { class: "spring" }), cancel, go),
    );
    const dialog = h("dialog", { "aria-labelledby": id }, form);
    let result = null;
    const showError = (problem) => showProblem(form, error, problem);
    build(body, { form, go, showError });

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      showError(null);
      go.disabled = true;
      try {
        result = (await submit(form)) ?? true;
        dialog.close();
      } catch (problem) {
        showError(problem);
      } finally {
        go.disabled = false;
      }
    });
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    if (!isOver) closeDialogs();
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Ask before something that cannot be taken back. With `typed`, that text has to be typed first.
 */
export function confirmDialog({ title, text, action, danger = true, typed = "" }) {
  return formDialog({
    title,
    action,
    danger,
    build: (body, { go }) => {
      body.append(
        ...[].concat(text).map((line) => (line instanceof Node ? line : h("p", {}, whole(line)))),
      );
      if (!typed) return;
      const input = h("input", { name: "typed", autocomplete: "off", spellcheck: "false" });
      body.append(
        h(
          "label",
          { class: "field" },
          h("span", {}, "Type ", h("b", { class: "mono whole" }, typed), " to confirm"),
          input,
        ),
      );
      go.disabled = true;
      input.addEventListener("input", () => {
        go.disabled = input.value !== typed;
      });
    },
    submit: () => true,
  }).then(Boolean);
}
