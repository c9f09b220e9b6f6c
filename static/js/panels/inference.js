// The serving engine's own configuration, as the connector tells it.

import { treePanel } from "./meta.js";

export function mount(root, ctx) {
  root.append(
    treePanel(ctx, "Inference", "/inference_info", "the serving engine’s configuration").element,
  );
}
