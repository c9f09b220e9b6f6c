// What panels share: what a kind of server is known to lack, the last answers of nodes, units of
// Prometheus families.

import { serverNow, unitOf } from "../format.js";

/** The JSON of a path of a node, or of the one that older versions have instead. */
export async function readEither(ctx, path, older) {
  try {
    return await ctx.json(path);
  } catch (error) {
    if (error.status !== 404 || !older) throw error;
    return ctx.json(older, {});
  }
}

/** The values of nested objects by their paths: {"a.b": 1}. */
export function flatten(value, prefix = "", into = {}) {
  for (const [name, item] of Object.entries(value)) {
    const path = prefix ? `${prefix}.${name}` : name;
    if (item !== null && typeof item === "object" && !Array.isArray(item))
      flatten(item, path, into);
    else into[path] = item;
  }
  return into;
}

/**
 * A text as it is; in quotes, as JSON, where spaces at its ends, several spaces or what cannot be
 * seen would be lost, and where it has quotes itself.
 */
export const quoted = (text) =>
  /^(\s|$|".*"$)|\s$|\s\s|[^\S ]|\p{Cc}/u.test(text) ? JSON.stringify(text) : text;

const NO_ENGINE = "a scheduler has no cache engine; its workers do";
const NOT_HERE = "has no such endpoint";
const path = (...words) => new RegExp(`^/(${words.join("|")})([/?]|$)`);

// Kind -> [paths, why]: what LMCache 0.5 answers with 404 or 503 there.
const LACKING = {
  scheduler: [[path("backends", "bypass", "hot_cache", "freeze", "cache"), NO_ENGINE]],
  worker: [[path("chunk_statistics"), "only the scheduler counts chunks"]],
  mp: [
    [
      path("conf", "meta", "inference_info"),
      `an MP server ${NOT_HERE}; its settings are under Config`,
    ],
    [
      path("backends", "bypass", "hot_cache", "freeze", "chunk_statistics", "lookup"),
      `an MP server ${NOT_HERE}`,
    ],
  ],
  engine: [
    [path("(?!metrics|version|health|v1|get_).*"), "the API server of an engine " + NOT_HERE],
  ],
  coordinator: [
    [
      path(
        "threads",
        "periodic-threads",
        "loglevel",
        "env",
        "conf",
        "meta",
        "inference_info",
        "version",
        "run_script",
      ),
      `a coordinator ${NOT_HERE}`,
    ],
  ],
  controller: [[path("conf", "meta", "inference_info", "version"), `a controller ${NOT_HERE}`]],
  discovery: [[path("(?!lmcache_infos).*"), "a discovery service only lists what reported to it"]],
  frontend: [[path("(?!metrics|health|api/).*"), "a frontend only monitors other nodes"]],
};

/** Why this kind of server is known not to answer that path; "" when it may. */
export function lacking(kind, where) {
  const found = (LACKING[kind] || []).find(([paths]) => paths.test(where));
  return found ? found[1] : "";
}

const MOST_ANSWERS = 60; // kept over all nodes
const MOST_LETTERS = 400000; // of one answer
const answers = new Map(); // "key path" -> {text, time}

/**
 * Keep the last good answer of a node, to be shown greyed while it is down. Environments are never
 * kept.
 */
export function keepAnswer(node, where, text) {
  const id = `${node.key} ${where}`;
  answers.delete(id); // an older one is no longer the last
  if (text.length > MOST_LETTERS || where.startsWith("/env")) return;
  answers.set(id, { text, time: serverNow() });
  if (answers.size > MOST_ANSWERS) answers.delete(answers.keys().next().value);
}

export const keptAnswer = (node, where) => answers.get(`${node.key} ${where}`);

/**
 * The unit of a family as its help text or its name tells it: {unit, scale}; a value times scale is
 * in that unit.
 * Some of LMCache's families are in milliseconds or minutes although their names look like seconds.
 */
export function familyUnit(name, help = "") {
  if (/(_start_time|_timestamp)_seconds$/.test(name)) return { unit: "time", scale: 1 };
  if (/\(ms\)|milliseconds/i.test(help) || /_(ms|milliseconds)(_total)?$/.test(name))
    return { unit: "seconds", scale: 1e-3 };
  // SGLang's tokens in use and vLLM's use of its KV cache are shares.
  if (/(token|mamba)_usage$|_usage_perc$/.test(name)) return { unit: "ratio", scale: 1 };
  if (/in minutes/i.test(help) || /_minutes$/.test(name)) return { unit: "seconds", scale: 60 };
  if (/tokens? ?(per|\/) ?s/i.test(help)) return { unit: "tokens/s", scale: 1 };
  if (/_GB_per_second$/.test(name)) return { unit: "bytes/s", scale: 1e9 };
  if (/_mb$/.test(name) && /\bMB\b/.test(help)) return { unit: "bytes", scale: 1024 * 1024 };
  if (/number of (\w+ )?tokens/i.test(help)) return { unit: "tokens", scale: 1 };
  if (/size in bytes|\(bytes\)/i.test(help)) return { unit: "bytes", scale: 1 };
  if (/0\.0 ?(to|–|-) ?1\.0/.test(help)) return { unit: "ratio", scale: 1 };
  return { unit: unitOf(name), scale: 1 };
}
