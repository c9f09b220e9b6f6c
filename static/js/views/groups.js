// The heading of a group of rows in the table of instances: how many there are, which of their
// nodes are not up, and what they do together.

import { isNumber } from "../chartmath.js";
import { countMark, fitted } from "../controls.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { metricUnit, STATE_ORDER } from "../words.js";
import { isMpServer, memoryText, withUnit } from "./instances.js";

/** Figures that add up; the ranks of an instance serve the same tokens, so rows are added. */
const ADDED = [
  "hit_tokens_per_second",
  "local_cache_bytes",
  "evictions_per_second",
  "failures_per_second",
  "stored_tokens_per_second",
  "running_requests",
  "waiting_requests",
];

/**
 * What these rows do together, by figure: sums, and the hit rate of all tokens that were looked up.
 * It is null where one of them does not report what is needed for it.
 */
function sumsOf(rows) {
  const having = (name) => rows.filter((row) => isNumber(row.metrics[name]));
  const get = (row, name) => row.metrics[name] ?? row.instance?.metrics[name];
  const total = (name, those) => {
    const values = those.map((row) => get(row, name));
    return values.length && values.every(isNumber) ? values.reduce((a, b) => a + b) : null;
  };
  const looking = having("lookup_hit_rate");
  const tokens = total("lookup_tokens_per_second", looking);
  const hits = looking.map(
    (row) => row.metrics.lookup_hit_rate * get(row, "lookup_tokens_per_second"),
  );
  return {
    ...Object.fromEntries(ADDED.map((name) => [name, total(name, having(name))])),
    lookup_hit_rate: tokens ? hits.reduce((a, b) => a + b) / tokens : null,
    local_cache_limit_bytes: total("local_cache_limit_bytes", having("local_cache_bytes")),
  };
}

/** The sum of a figure in the heading of a group. */
function sumCell(metrics, name, id) {
  if (!isNumber(metrics[id])) return null;
  const show = id === "local_cache_bytes" ? memoryText : withUnit;
  return show(metrics[id], metricUnit(id), null, { metrics, name });
}

/** The heading of rows: how many nodes of them are listed or not up, and sums of figures. */
export function groupHead(rows, name, table) {
  const nodes = rows.flatMap(
    (row) => row.node || table.fittingChildren(row).map((one) => one.node),
  );
  const instances = rows.filter((row) => row.instance && !isMpServer(row.instance)).length;
  const size = [instances && plural(instances, "instance"), plural(nodes.length, "node")];
  const counts = Object.keys(STATE_ORDER)
    .filter((state) => state !== "up")
    .map((state) => [state, nodes.filter((node) => node.state === state).length])
    .filter(([, count]) => count);
  const metrics = sumsOf(rows);
  const owner = name.slice(0, name.lastIndexOf("/") + 1);
  const last = name.slice(owner.length);
  return {
    sig: JSON.stringify([name, size, counts, metrics]),
    parts: [
      h("b", { title: name }, owner && h("span", { class: "owner" }, owner), fitted(last)),
      h(
        "span",
        { class: "group-size" },
        size.filter(Boolean).join(" · "),
        counts.map((each) => countMark(...each)),
      ),
    ],
    sums: (id) => sumCell(metrics, name, id),
  };
}
