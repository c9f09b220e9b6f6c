// The silences of alerts: those that are listed, and one with a comment.

import { button, field, guarded, linked, toast } from "../controls.js";
import { formDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { plain, plural, untilText } from "../format.js";
import { poll, sendJson, store } from "../server.js";
import { pastTense } from "../words.js";
import { alertLines, carefully, keptFocus, sentenceOf, silence } from "./alerts.js";
import { actorOf, undoLink, undoOf } from "./eventlist.js";

const HOUR = 3600;
const SILENCER = /^(\w+) \((.+)\)$/; // how the server tells who silenced an alert

export function silenceWithComment(line) {
  const hours = h(
    "select",
    { name: "hours" },
    [1, 4, 8, 24, 72].map((one) => h("option", { value: one }, `${one} h`)),
  );
  const comment = h("input", {
    name: "comment",
    maxlength: "200",
    autocomplete: "off",
    autofocus: true,
  });
  const { length } = line.alerts;
  return keptFocus(() =>
    formDialog({
      title: `Silence ${length > 1 ? plural(length, "alert") : "this alert"}`,
      action: "Silence",
      build: (body) =>
        body.append(
          h("p", { class: "muted" }, sentenceOf(line)),
          field("Duration", hours),
          field("Comment", comment, "Shown to everyone who opens this page."),
        ),
      submit: () => silence(line, Number(hours.value) * HOUR, comment.value.trim()),
    }),
  );
}

async function unsilence({ alerts }) {
  for (const { id } of alerts)
    await sendJson("DELETE", `api/alerts/${encodeURIComponent(id)}/silence`);
  toast("Silence ended", "good");
  await poll();
}

/** A silence whose alert is over, as that alert: should it come back, it is silenced. */
function alertOfSilence({ alert: id, text, ...quiet }) {
  const [rule] = id.split(":");
  const place = id.slice(rule.length + 1);
  const node = store.byKey.get(place);
  const words = `${rule.replace(/_/g, " ")}${place ? ` on ${place}` : ""}`;
  const said = text ? pastTense(text) : words;
  const where = { node: node?.key, instance: node?.instance_id };
  // The first to end stands first.
  const times = { since: quiet.until, until: quiet.until };
  return { id, rule, severity: "info", text: said, ...where, ...times, silence: quiet };
}

function silenceItem(line) {
  const { until, comment, by } = line.silence;
  const [, how, from] = SILENCER.exec(by) || [];
  const actor = how ? actorOf({ by: how, from }) : actorOf({ by });
  const end = until ? untilText(until) : "";
  const notes = [line.until ? "not active" : "", end, comment ? `“${comment}”` : "", actor];
  const ending = button("End silence", () => carefully(unsilence(line)), { kind: "little bare" });
  const said = sentenceOf(line);
  ending.setAttribute("aria-label", `End silence: ${said}`);
  guarded(ending);
  const more = notes.filter(Boolean).map((note) => ` · ${note}`);
  const undo = line.change && undoLink(line.change);
  const { setting, before, after } = line.change || {};
  const change = undo ? [` · after ${setting} ${before}\u00a0→\u00a0${after} `, undo] : null;
  return h("li", { class: "quiet" }, h("p", {}, "Silenced: ", linked(said), more, change), ending);
}

/**
 * List silenced alerts as lines, and the silences of alerts that are over, in a fold. Of `total` of
 * these the server lists the first to end.
 */
export function drawSilences(fold, list, lines, over, total = 0) {
  const all = [...lines, ...alertLines(over.map(alertOfSilence))];
  const more = Math.max(0, total - over.length);
  const rest =
    more && h("li", { class: "quiet" }, `And ${plural(more, "silence")} with a later end`);
  replace(list, all.map(silenceItem), rest || null);
  const alerts = all.reduce((sum, line) => sum + line.alerts.length, more);
  const groups = all.length + more;
  const grouped = alerts > groups ? `, in ${plural(groups, "group")}` : "";
  setText(fold.firstChild, `${plain(alerts)} silenced${grouped}`);
  // It opens for a change that can be undone nowhere else; then it is as the reader leaves it.
  const offers = lines.filter(({ change }) => change && undoOf(change)?.href).length;
  if (all.length === 1 || offers > Number(fold.dataset.offers || 0)) fold.open = true;
  fold.dataset.offers = offers;
}
