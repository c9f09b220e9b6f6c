// Environment variables; what looks like a secret stays masked until asked for, one by one.

import { button, empty, searchBox } from "../controls.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { panelFrame } from "../panel.js";
import { trusted, whyNot } from "../server.js";
import { DataTable } from "../table.js";
import { breakable } from "./util.js";

const SECRET = /key|token|secret|passw|credential|auth|cookie|private/i;

const maskedMark = () => h("span", { class: "masked" }, "●●●●●● masked ");

export function mount(root, ctx) {
  if (!trusted()) {
    root.append(
      empty(
        `The environment may hold secrets. To see it, enter the access token: ${whyNot()}`,
        button("Unlock", () => dispatchEvent(new Event("lmcache-unlock"))),
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

function mountTable(root, ctx) {
  const open = new Set();
  const table = new DataTable({
    label: "Environment",
    key: (row) => row.name,
    sort: { id: "name", down: false },
    emptyText: "The node reported no variables.",
    columns: [
      {
        id: "name",
        label: "Name",
        head: true,
        width: 240,
        narrow: 140,
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
        narrow: 164,
        grow: true,
        cls: "mono wrap",
        value: (row) => (hidden(row) ? "" : row.value),
        sig: (row) => `${hidden(row)}${row.value}`,
        render: (row, fit) => [
          hidden(row) ? maskedMark() : breakable(row.value),
          row.secret ? [" ", reveal(row)] : null,
          fit.shows("act") ? null : h("div", {}, sameValue(row)),
        ],
        tip: (row) => (hidden(row) ? "" : row.value),
      },
      {
        id: "act",
        label: "",
        width: 120,
        drop: 1,
        sort: false,
        find: false,
        value: () => 0,
        sig: (row) => String(row.secret),
        render: sameValue,
      },
    ],
  });
  let rows = [];
  const hidden = (row) => row.secret && !open.has(row.name);

  function sameValue(row) {
    return row.secret
      ? null
      : h(
          "a",
          {
            class: "small gap",
            href: `#/?env=${encodeURIComponent(`${row.name}=${row.value}`)}`,
            title: `Nodes with the same ${row.name}`,
          },
          "nodes with this",
        );
  }

  /** Shows or masks one secret; the focus stays on the button that takes its place. */
  function reveal(row) {
    const word = open.has(row.name) ? "Hide" : "Show";
    return button(
      word,
      () => {
        if (!open.delete(row.name)) open.add(row.name);
        table.update(rows);
        const other = [...table.element.querySelectorAll("button.in-row")].find(
          (one) => one.title === `${word === "Show" ? "Hide" : "Show"} ${row.name}`,
        );
        if (other) other.focus();
      },
      { kind: "small in-row", title: `${word} ${row.name}` },
    );
  }

  const search = searchBox("Search variables", (text) => {
    table.search(text);
    return table.found;
  });
  const frame = panelFrame({
    title: "Environment",
    path: "/env",
    ctx,
    load: async () => {
      const { data } = await ctx.json("/env");
      return {
        data,
        raw: JSON.stringify(
          Object.fromEntries(
            Object.entries(data).map(([name, value]) => [
              name,
              SECRET.test(name) ? "masked" : value,
            ]),
          ),
          null,
          2,
        ),
      };
    },
    render: (data, body) => {
      rows = Object.entries(data).map(([name, value]) => ({
        name,
        value: String(value),
        secret: SECRET.test(name),
      }));
      table.update(rows);
      const masked = rows.filter((row) => row.secret).length;
      body.append(
        h(
          "div",
          { class: "tools" },
          search,
          h(
            "span",
            { class: "muted" },
            `${plural(rows.length, "variable")}${masked ? `, ${masked} masked` : ""}`,
          ),
        ),
        table.element,
      );
    },
  });
  root.append(frame.element);
}
