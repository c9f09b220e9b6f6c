// Which nodes have an environment variable: all of them are asked.

import { plain, plural } from "../format.js";
import { each, getJson, nodePath, store } from "../server.js";

const TIMEOUT = 15; // seconds
const ONE_WITHOUT = "does not report its environment";
const MANY_WITHOUT = "do not report their environment";

/**
 * Add to `hits` the keys of the nodes that have the variable "KEY", or "KEY=VALUE". `say(text)` is
 * called as they respond; resolves with how many match.
 */
export async function findVariable(wanted, hits, say, signal) {
  const [name, ...rest] = wanted.split("=");
  const value = rest.length ? rest.join("=") : null;
  const nodes = store.status.nodes.filter((node) => node.state !== "down");
  let done = 0;
  let without = 0; // nodes that have no such endpoint
  let silent = 0;
  await each(
    nodes,
    (node) => getJson(nodePath(node, "/env"), { signal, timeout: TIMEOUT }),
    (node, env, error) => {
      done += 1;
      if (error && error.status === 404) without += 1;
      else if (error || !env) silent += 1;
      else if (name in env && (value === null || String(env[name]) === value)) hits.add(node.key);
      if (!signal.aborted) say(`${plain(done)} of ${plain(nodes.length)}`);
    },
  );
  return [
    `${plural(hits.size, "node")} match${hits.size === 1 ? "es" : ""}`,
    without && `${plural(without, "node")} ${without === 1 ? ONE_WITHOUT : MANY_WITHOUT}`,
    silent && `${plain(silent)} did not respond`,
  ]
    .filter(Boolean)
    .join(", ");
}
