// What is done to several nodes: bulk actions, cache operations, and the rollout of a setting.

import { lockNote, noNodes } from "../controls.js";
import { h, needStyle, replace } from "../dom.js";
import { BulkActions } from "./bulk.js";

needStyle("static/panels.css");

const TABS = {
  actions: ["Actions", (signal) => new BulkActions(signal)],
  cache: [
    "Cache operations",
    async (signal) => new (await import("./operations.js")).CacheOperations(signal),
  ],
  rollout: ["Rollout", async (signal) => new (await import("./rollout.js")).RolloutView(signal)],
};

const tabOf = (query) => (query.get("tab") in TABS ? query.get("tab") : "actions");

class FleetPage {
  constructor(root, query, signal) {
    this.signal = signal;
    this.status = null;
    this.parts = new Map(); // tab -> what is shown in it
    this.none = noNodes();
    this.none.hidden = true;
    this.tabs = h("nav", { class: "tabs", "aria-label": "Fleet operations" });
    this.place = h("div");
    this.content = h("div", {}, this.tabs, lockNote(signal), this.place);
    replace(
      root,
      h("div", { class: "page-head" }, h("h1", {}, "Bulk actions")),
      this.none,
      this.content,
    );
    this.show(query);
  }

  async show(query) {
    const tab = tabOf(query);
    this.tab = tab;
    replace(
      this.tabs,
      Object.entries(TABS).map(([name, [label]]) =>
        h(
          "a",
          {
            href: name === "actions" ? "#/many" : `#/many?tab=${name}`,
            "aria-current": name === tab ? "page" : null,
            dataset: { label },
          },
          label,
        ),
      ),
    );
    if (!this.parts.has(tab)) this.parts.set(tab, await TABS[tab][1](this.signal));
    if (this.tab !== tab || this.signal.aborted) return;
    replace(this.place, this.parts.get(tab).element);
    if (this.status) this.update(this.status);
  }

  update(status) {
    this.status = status;
    this.none.hidden = status.nodes.length > 0;
    this.content.hidden = !this.none.hidden;
    const part = this.parts.get(this.tab);
    if (part) part.update(status);
  }
}

export function mount(root, { route, signal }) {
  const page = new FleetPage(root, route.query, signal);
  return { update: (status) => page.update(status), go: ({ query }) => page.show(query) };
}
