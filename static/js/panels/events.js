// What happened to a node in the page's time range, in full; to an engine's or a scheduler's
// instance, to the nodes behind a frontend.

import { bounds, onRange, timeRange } from "../address.js";
import { h, replace } from "../dom.js";
import { plural, spanText } from "../format.js";
import { panelFrame } from "../panel.js";
import { store } from "../server.js";
import { asOf, eventItems, eventRows, loadPage, toldAt } from "../views/eventlist.js";
import { keysFor } from "./nodeevents.js";

const RELOAD = 5; // seconds

export function mount(root, ctx) {
  let asked = 0;
  const frame = panelFrame({
    title: "Events",
    ctx,
    load: async (signal) => {
      const { time } = store.status;
      asked = time;
      const range = bounds(time);
      const node = keysFor(ctx.node()).join();
      const data = await loadPage(range, signal, { node });
      return { data: { ...data, range }, raw: JSON.stringify(data, null, 2) };
    },
    render: ({ events, next, range }, body) => {
      const { start, end } = range;
      const rows = eventRows(timeRange().live ? events : asOf(events, end));
      const now = toldAt(store.status);
      const more = next === null ? "" : ", and older ones";
      const { kind } = ctx.node();
      const others = keysFor(ctx.node()).length > 1;
      const of = !others
        ? " for this node"
        : kind === "frontend"
          ? " for the nodes behind this frontend"
          : " for this node’s instance";
      const count = rows.length ? plural(rows.length, "event") + of + more : `no events${of}`;
      replace(
        body,
        h("p", { class: "quiet-line" }, `${spanText(start, end)}: ${count}.`),
        rows.length ? h("ul", { class: "events" }, eventItems(rows, now)) : null,
      );
    },
  });
  replace(root, frame.element);
  onRange(() => frame.run(), ctx.signal);
  const isDue = (status) => timeRange().live && status.time - asked >= RELOAD;
  return { update: (node, status) => isDue(status) && frame.run() };
}
