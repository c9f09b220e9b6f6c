// What is done to several nodes: bulk actions, cache operations, and the rollout of a setting.

import { button, empty, lockNote, noNodes } from "../controls.js";
import { h, needStyle, replace } from "../dom.js";
import { loadFailure, loadModule, store } from "../server.js";
import { bulkActions } from "./bulk.js";
import { presentNote } from "./present.js";

needStyle("static/panels.css");

const operations = () => loadModule(() => import("./operations.js"));
const rollout = () => loadModule(() => import("./rollout.js"));

const TABS = {
  actions: ["Actions", bulkActions],
  cache: ["Cache operations", async (signal) => new (await operations()).CacheOperations(signal)],
  rollout: ["Rollout", async (signal) => new (await rollout()).RolloutView(signal)],
};

// They open later even while the server is unreachable.
for (const load of [operations, rollout]) load().catch(() => {});

const tabOf = (query) => (query.get("tab") in TABS ? query.get("tab") : "actions");

class FleetPage {
  constructor(root, query, signal) {
    this.signal = signal;
    this.status = null;
    this.failed = null; // when the last status came before a tab could not be loaded
    this.parts = new Map(); // tab -> what is shown in it
    this.none = noNodes();
    this.none.hidden = true;
    this.tabs = h("nav", { class: "tabs", "aria-label": "Bulk actions" });
    this.place = h("div");
    this.content = h("div", {}, this.tabs, lockNote(signal), this.place);
    replace(
      root,
      h("div", { class: "page-head" }, h("h1", {}, "Bulk actions"), presentNote(signal)),
      this.none,
      this.content,
    );
    this.show(query);
  }

  async show(query) {
    const tab = tabOf(query);
    this.tab = tab;
    this.failed = null;
    replace(
      this.tabs,
      Object.entries(TABS).map(([name, [label]]) =>
        h(
          "a",
          {
            href: name === "actions" ? "#/many" : `#/many?tab=${name}`,
            "aria-current": name === tab ? "page" : null,
          },
          label,
        ),
      ),
    );
    try {
      if (!this.parts.has(tab)) this.parts.set(tab, await TABS[tab][1](this.signal));
    } catch (error) {
      if (this.tab === tab) this.#fail(query, error);
      return;
    }
    if (this.tab !== tab || this.signal.aborted) return;
    const part = this.parts.get(tab);
    part.element.dataset.kept = "1";
    replace(this.place, part.element);
    if (part.take) part.take(query);
    if (this.status) this.update(this.status);
  }

  #fail(query, error) {
    this.failed = store.received;
    this.query = query;
    const again = error.isUnreachable ? [] : [button("Try again", () => this.show(query))];
    replace(this.place, empty(loadFailure("tab", error), ...again));
  }

  update(status) {
    this.status = status;
    if (this.failed !== null && store.received > this.failed) this.show(this.query);
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
