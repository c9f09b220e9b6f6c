// Which nodes are worth comparing: the worst ones by a figure, the ranks of an instance.

import { isNumber } from "../chartmath.js";
import { byName } from "../format.js";
import { instanceName } from "../server.js";

/** Figures of which less is worse; of all others, more is. */
const LOW_IS_BAD = /hit_rate|^healthy$|tokens_per_second|saved|speed|lifespan|lifetime/;

export const isLowBad = (metric) => LOW_IS_BAD.test(metric);

const valueOf = (node, metric) =>
  metric === "latency" ? node.latency : (node.metrics || {})[metric];

/** [node, value] by a metric, worst first, without those that have no value. */
export function worstValues(nodes, metric) {
  const sign = isLowBad(metric) ? 1 : -1;
  return nodes
    .map((node) => [node, valueOf(node, metric)])
    .filter(([, value]) => isNumber(value))
    .sort((a, b) => sign * (a[1] - b[1]) || byName(a[0].key, b[0].key));
}

export const worstFirst = (nodes, metric) => worstValues(nodes, metric).map(([node]) => node);

/** The worst node of each instance, worst first. */
export function worstRanks(nodes, metric) {
  const seen = new Set();
  return worstFirst(nodes, metric).filter((node) => {
    const name = instanceName(node) || node.key;
    return !seen.has(name) && seen.add(name);
  });
}

/** The workers of an instance. */
export const ranksOf = (nodes, instance) =>
  nodes.filter((node) => node.kind === "worker" && instanceName(node) === instance);

/** The names of the instances that have several workers. */
export function instancesWithRanks(nodes) {
  const counts = new Map();
  for (const node of nodes) {
    const name = node.kind === "worker" ? instanceName(node) : "";
    if (name) counts.set(name, (counts.get(name) || 0) + 1);
  }
  return [...counts.keys()].filter((name) => counts.get(name) > 1).sort(byName);
}

/** Where the ranks of an instance are compared. */
export const ranksLink = (instance) => `#/compare?preset=${encodeURIComponent(`i:${instance}`)}`;
