// Environment variables; what looks like a secret stays masked until asked for, one by one.

import { button, empty, searchBox } from "../controls.js";
import { breakable, h, setText } from "../dom.js";
import { plural } from "../format.js";
import { panelFrame } from "../panel.js";
import { trusted } from "../server.js";
import { DataTable } from "../table.js";
import { quoted } from "./util.js";

const SECRET = /key|token|secret|passw|credential|auth|cookie|private/i;

const maskedMark = () => h("span", { class: "masked" }, "●●●●●● masked ");

export function mount(root, ctx) {
  if (!trusted()) {
    root.append(
      empty(
        "The environment may hold secrets. To see it, enter the access token.",
        button("Enter access token", () => dispatchEvent(new Event("lmcache-unlock"))),
      ),
    );
    let open = false;
    return {
      update: () => {
        if (!open && trusted()) {
          open = true;
          root.replaceChildren();
          mountTable(root, ctx);
        }
      },
    };
  }
  mountTable(root, ctx);
  return {};
}

/** Environment variables as the raw response shows them: secrets stay masked. */
const maskedRaw = (data) =>
  JSON.stringify(
    data,
    (name, value) => (typeof value === "string" && SECRET.test(name) ? "masked" : value),
    2,
  );

const SAME_VALUE = "Find nodes with this value";

function sameValue(row) {
  if (row.secret) return null;
  const href = `#/?env=${encodeURIComponent(`${row.name}=${row.value}`)}`;
  const name = `${SAME_VALUE} of ${row.name}`;
  return h("a", { class: "small gap", href, "aria-label": name }, SAME_VALUE);
}

const columns = (panel) => [
  {
    id: "name",
    label: "Name",
    head: true,
    width: 240,
    narrow: 133,
    cls: "mono",
    value: (row) => row.name,
    sig: (row) => row.name,
    render: (row) => breakable(row.name),
    tip: (row) => row.name,
  },
  {
    id: "value",
    label: "Value",
    width: 300,
    narrow: 126,
    grow: true,
    cls: "mono wrap",
    value: (row) => (panel.hides(row) ? "" : row.value),
    sig: (row) => `${panel.hides(row)}${row.value}`,
    render: (row, fit) => [
      panel.hides(row) ? maskedMark() : breakable(quoted(row.value)),
      row.secret ? [" ", panel.revealButton(row)] : null,
      fit.shows("act") ? null : h("div", {}, sameValue(row)),
    ],
    tip: (row) => (panel.hides(row) ? "" : row.value),
  },
  {
    id: "act",
    label: "Same value",
    width: 190,
    drop: 1,
    sort: false,
    find: false,
    value: () => 0,
    sig: (row) => String(row.secret),
    render: (row) => sameValue(row),
  },
];

class Environment {
  constructor(ctx) {
    this.open = new Set(); // names of the secrets that are shown
    this.rows = [];
    this.table = new DataTable({
      label: "Environment",
      key: (row) => row.name,
      sort: { id: "name", down: false },
      emptyText: "The node reported no variables.",
      columns: columns(this),
    });
    this.count = h("span", { class: "muted" });
    this.search = searchBox("Search variables", (text) => this.table.search(text));
    this.search.classList.add("wide");
    this.frame = panelFrame({
      title: "Environment",
      path: "/env",
      ctx,
      load: async () => {
        const { data } = await ctx.json("/env");
        return { data, raw: maskedRaw(data) };
      },
      render: (data, body) => this.#render(data, body),
    });
  }

  hides(row) {
    return row.secret && !this.open.has(row.name);
  }

  /** Shows or masks one secret; the focus stays on the button that takes its place. */
  revealButton(row) {
    const word = this.open.has(row.name) ? "Hide" : "Show";
    const flip = () => {
      if (!this.open.delete(row.name)) this.open.add(row.name);
      this.table.update(this.rows);
      this.#sayCount();
      const title = `${word === "Show" ? "Hide" : "Show"} ${row.name}`;
      const buttons = [...this.table.element.querySelectorAll("button.in-row")];
      const other = buttons.find((one) => one.title === title);
      if (other) other.focus();
    };
    return button(word, flip, { kind: "small in-row", name: `${word} ${row.name}` });
  }

  #sayCount() {
    const masked = this.rows.filter((row) => this.hides(row)).length;
    setText(
      this.count,
      plural(this.rows.length, "variable") + (masked ? `, ${masked} masked` : ""),
    );
  }

  #render(data, body) {
    this.rows = Object.entries(data).map(([name, value]) => ({
      name,
      value: String(value),
      secret: SECRET.test(name),
    }));
    this.table.update(this.rows);
    this.#sayCount();
    const variables = h("div", { class: "environment" }, this.table.element);
    body.append(h("div", { class: "tools" }, this.search, this.count), variables);
  }
}

function mountTable(root, ctx) {
  root.append(new Environment(ctx).frame.element);
}
