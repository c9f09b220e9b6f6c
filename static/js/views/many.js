// One change on many nodes: what will be sent is shown first, then a result a node as it arrives.

import {
  button,
  field,
  fitted,
  guarded,
  kindText,
  lockNote,
  nodeLink,
  noNodes,
  searchBox,
  stateMark,
} from "../controls.js";
import { confirmDialog } from "../dialog.js";
import { h, replace, setText } from "../dom.js";
import { plain, plural } from "../format.js";
import { explain } from "../panel.js";
import { each, getText, nodePath, sendJson, store } from "../server.js";
import { DataTable } from "../table.js";
import { LEVELS, levelPath } from "../panels/loglevels.js";
import { settingError } from "../panels/config.js";

const ENGINE = (node) =>
  !["mp", "coordinator", "controller", "discovery", "frontend"].includes(node.kind);

const NO_LOGGERS = ["coordinator", "discovery", "frontend"]; // kinds without /loglevel
const BACKENDS = [
  "LocalCPUBackend",
  "LocalDiskBackend",
  "RemoteBackend",
  "P2PBackend",
  "GdsBackend",
  "NixlStorageBackend",
];

export function mount(root, { signal }) {
  const chosen = store.selected;
  const results = new Map();
  let running = false;
  let drawn = 0; // the frame that will draw what has come in
  let action = "loglevel";
  const logger = h("input", {
    name: "logger",
    value: "lmcache",
    spellcheck: "false",
    autocomplete: "off",
  });
  const level = h(
    "select",
    { name: "level" },
    LEVELS.map((one) => h("option", { value: one }, one)),
  );
  level.value = "INFO";
  const setting = h("input", {
    name: "setting",
    placeholder: "min_retrieve_tokens",
    spellcheck: "false",
    autocomplete: "off",
  });
  const value = h("input", {
    name: "value",
    placeholder: "512, true or text",
    spellcheck: "false",
    autocomplete: "off",
  });
  const backend = h("input", {
    name: "backend",
    value: "LocalDiskBackend",
    spellcheck: "false",
    autocomplete: "off",
    list: "known-backends",
  });
  const backendField = field("Backend", [
    backend,
    h(
      "datalist",
      { id: "known-backends" },
      BACKENDS.map((name) => h("option", { value: name })),
    ),
  ]); // of two actions

  function readValue() {
    try {
      return JSON.parse(value.value);
    } catch (error) {
      return value.value;
    }
  }

  // name, label, fields, request(node) -> {method, path, body}, asks
  const ACTIONS = {
    loglevel: {
      label: "Set a log level",
      fields: [field("Logger", logger), field("Level", level)],
      ready: () => logger.value.trim(),
      fits: (node) => !NO_LOGGERS.includes(node.kind),
      request: () => ({ method: "GET", path: levelPath(logger.value.trim(), level.value) }),
    },
    setting: {
      label: "Change a setting",
      fields: [field("Setting", setting), field("New value", value, "JSON, or text as it is")],
      ready: () => setting.value.trim(),
      fits: ENGINE,
      request: () => ({
        method: "POST",
        path: "/conf",
        body: { [setting.value.trim()]: readValue() },
      }),
    },
    bypass: {
      label: "Bypass a backend",
      fields: [backendField],
      ready: () => backend.value.trim(),
      fits: ENGINE,
      request: () => ({
        method: "PUT",
        path: `/bypass/add?backend_name=${encodeURIComponent(backend.value.trim())}`,
      }),
    },
    unbypass: {
      label: "End a bypass",
      fields: [backendField],
      ready: () => backend.value.trim(),
      fits: ENGINE,
      request: () => ({
        method: "PUT",
        path: `/bypass/remove?backend_name=${encodeURIComponent(backend.value.trim())}`,
      }),
    },
    freeze: {
      label: "Freeze: store nothing new",
      fields: [],
      ready: () => true,
      fits: ENGINE,
      request: () => ({ method: "PUT", path: "/freeze/enable" }),
    },
    unfreeze: {
      label: "End freeze",
      fields: [],
      ready: () => true,
      fits: ENGINE,
      request: () => ({ method: "PUT", path: "/freeze/disable" }),
    },
    clear: {
      label: "Clear the cache",
      fields: [],
      ready: () => true,
      danger: true,
      fits: (node) => ENGINE(node) || node.kind === "mp",
      request: (node) =>
        node.kind === "mp"
          ? { method: "POST", path: "/cache/clear", body: { tier: "l1" } }
          : { method: "DELETE", path: "/cache/clear" },
    },
  };

  const actionBox = h(
    "select",
    {
      onchange: () => {
        action = actionBox.value;
        results.clear();
        drawFields();
        draw();
      },
    },
    Object.entries(ACTIONS).map(([name, one]) => h("option", { value: name }, one.label)),
  );
  const fields = h("div", { class: "contents" });
  const preview = h("pre", {
    class: "block",
    tabindex: "0",
    role: "region",
    "aria-label": "What will be sent",
  });
  const advice = h("p", { class: "muted" });
  const progress = h("span", { class: "progress", "aria-live": "polite" });
  const go = guarded(button("Send", run, { kind: "primary" }), signal);
  const table = new DataTable({
    label: "Nodes and results",
    key: (node) => node.key,
    sort: { id: "name", down: false },
    emptyText: "No nodes yet.",
    select: { set: chosen, name: (node) => node.key, changed: draw },
    columns: [
      {
        id: "state",
        label: "State",
        width: 100,
        narrow: 56,
        value: (node) => node.state,
        sig: (node) => node.state,
        render: (node) => stateMark(node.state),
      },
      {
        id: "name",
        label: "Node",
        head: true,
        width: 220,
        narrow: 124,
        value: (node) => node.key,
        sig: (node) => node.key,
        render: (node) => h("a", { href: nodeLink(node), title: node.key }, fitted(node.key)),
      },
      { id: "kind", label: "Kind", width: 100, drop: 1, value: kindText },
      {
        id: "result",
        label: "Result",
        width: 320,
        narrow: 86,
        grow: true,
        cls: "wrap",
        value: (node) => (results.get(node.key) || {}).text || "",
        sig: (node) => `${(results.get(node.key) || {}).text || fits(node)}`,
        render: (node) => resultCell(results.get(node.key), fits(node)),
        tip: (node) => (results.get(node.key) || {}).text || "",
      },
    ],
  });
  const search = searchBox("Search nodes", (text) => {
    table.search(text);
    return table.found;
  });
  const none = noNodes();
  none.hidden = true;
  const content = h(
    "div",
    {},
    lockNote(signal),
    h(
      "section",
      { class: "panel", "aria-label": "What to do" },
      h("header", { class: "panel-head" }, h("h2", {}, "1 · What to do")),
      h("div", { class: "row-fields" }, field("Action", actionBox), fields),
    ),
    h(
      "section",
      { class: "panel", "aria-label": "On which nodes" },
      h("header", { class: "panel-head" }, h("h2", {}, "2 · On which nodes"), search),
      h("div", { class: "panel-body" }, table.element),
    ),
    h(
      "section",
      { class: "panel", "aria-label": "Send" },
      h("header", { class: "panel-head" }, h("h2", {}, "3 · Look, then send")),
      advice,
      preview,
      h("div", { class: "actions" }, go, progress),
    ),
  );
  replace(root, h("div", { class: "page-head" }, h("h1", {}, "Many at once")), none, content);

  const fits = (node) => !ACTIONS[action].fits || ACTIONS[action].fits(node);
  const targets = () =>
    [...chosen].map((key) => store.byKey.get(key)).filter((node) => node && fits(node));

  function drawFields() {
    replace(fields, ACTIONS[action].fields);
    go.className = ACTIONS[action].danger ? "danger" : "primary";
  }
  for (const input of [logger, level, setting, value, backend])
    input.addEventListener("input", draw);

  function draw() {
    drawn = 0;
    const nodes = targets();
    const ready = ACTIONS[action].ready();
    go.dataset.off = nodes.length && ready && !running ? "" : "1";
    if (go.dataset.refused !== "1") go.disabled = go.dataset.off === "1";
    setText(go, nodes.length ? `Send to ${plural(nodes.length, "node")}` : "Send");
    const lines = nodes.slice(0, 8).map((node) => {
      const one = ACTIONS[action].request(node);
      return `${one.method} ${nodePath(node, one.path)}${one.body ? `  ${JSON.stringify(one.body)}` : ""}`;
    });
    if (nodes.length > 8) lines.push(`… and ${nodes.length - 8} more`);
    preview.hidden = !ready || !lines.length;
    advice.hidden = !preview.hidden;
    setText(preview, lines.join("\n"));
    setText(advice, ready ? "Choose nodes in the table above." : "Fill in the fields above.");
    if (store.status) table.update(store.status.nodes);
  }

  async function run() {
    const nodes = targets();
    const chosenAction = ACTIONS[action];
    if (
      !(await confirmDialog({
        title: `${chosenAction.label} on ${plural(nodes.length, "node")}?`,
        text: chosenAction.danger
          ? [
              "All cached KV chunks there are deleted. This cannot be taken back.",
              nodes
                .slice(0, 12)
                .map((node) => node.key)
                .join(", ") + (nodes.length > 12 ? " …" : ""),
            ]
          : nodes
              .slice(0, 12)
              .map((node) => node.key)
              .join(", ") + (nodes.length > 12 ? ` and ${nodes.length - 12} more` : ""),
        action: "Send",
        danger: Boolean(chosenAction.danger),
        typed: chosenAction.danger ? "clear" : "",
      }))
    )
      return;
    running = true;
    results.clear();
    for (const node of nodes) results.set(node.key, { text: "waiting …" });
    draw();
    let done = 0;
    let failed = 0;
    await each(
      nodes,
      async (node) => {
        const { method, path, body } = chosenAction.request(node);
        if (method === "GET")
          return (await getText(nodePath(node, path), { signal, timeout: 30 })).trim();
        const answer = await sendJson(method, nodePath(node, path), body, { signal, timeout: 30 });
        if (answer && answer.errors && Object.keys(answer.errors).length)
          throw new Error(Object.values(answer.errors).join("; "));
        return inWords(answer);
      },
      (node, answer, error) => {
        done += 1;
        failed += error ? 1 : 0;
        results.set(node.key, {
          state: error ? "down" : "up",
          text: !error
            ? answer || "done"
            : error.status
              ? explain(
                  Object.assign(error, { message: settingError(error, setting.value.trim()) }),
                  node,
                )
              : error.message,
        });
        setText(
          progress,
          `${plain(done)} of ${plain(nodes.length)}${failed ? `, ${plain(failed)} failed` : ""}`,
        );
        if (!drawn) drawn = requestAnimationFrame(draw);
      },
      8,
    );
    running = false;
    draw();
  }

  drawFields();
  let first = true;
  return {
    update(status) {
      none.hidden = status.nodes.length > 0;
      content.hidden = !none.hidden;
      if (first) {
        first = false;
        setTimeout(draw);
      }
      draw();
    },
  };
}

/** A node's answer as a few words: what it says beside that it went well. */
function inWords(answer) {
  if (answer === null || typeof answer !== "object") return answer === null ? "" : String(answer);
  if (typeof answer.message === "string") return answer.message;
  const said = Object.entries(answer).filter(
    ([name, value]) =>
      name !== "backend_name" && !(name === "status" && ["ok", "success"].includes(value)),
  );
  return said
    .map(
      ([name, value]) =>
        `${name.replace(/_/g, " ")}: ${typeof value === "string" ? value : JSON.stringify(value).replace(/[{}"]/g, "").replace(/:/g, ": ").replace(/,/g, ", ")}`,
    )
    .join(" · ");
}

function resultCell(result, offered) {
  if (!result) return offered ? null : h("span", { class: "muted" }, "does not offer this");
  if (!result.state) return h("span", { class: "muted" }, result.text);
  const failed = result.state === "down";
  return [
    h(
      "span",
      { class: `state ${result.state}` },
      h("span", { "aria-hidden": "true" }, failed ? "■ " : "● "),
      h("span", { class: "visually-hidden" }, failed ? "failed: " : "done: "),
    ),
    result.text,
  ];
}
