// What the node says of itself, as a tree.

import { searchBox } from "../controls.js";
import { h } from "../dom.js";
import { panelFrame } from "../panel.js";
import { tree } from "../tree.js";

/** A panel that shows one JSON answer as a searchable tree; also used for Inference. */
export function treePanel(ctx, title, path, note = "") {
  let data = null;
  const box = h("div");
  const search = searchBox("Search", (text) => {
    box.replaceChildren(tree(data, "", text));
  });
  return panelFrame({
    title,
    path,
    note,
    ctx,
    load: () => ctx.json(path),
    render: (value, body) => {
      data = value;
      box.replaceChildren(
        value !== null && typeof value === "object"
          ? tree(data, "", search.firstChild.value)
          : h("p", {}, String(value)),
      );
      body.append(h("div", { class: "tools" }, search), box);
    },
  });
}

export function mount(root, ctx) {
  root.append(treePanel(ctx, "Meta", "/meta").element);
}
