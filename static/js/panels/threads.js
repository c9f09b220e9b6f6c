// Periodic threads first, what is overdue on top; then stacks, equal ones together.

import { button, empty, online, searchBox, working } from "../controls.js";
import { breakable, breakableCall, h, replace, setText, whole } from "../dom.js";
import { clock, duration, format, plain, plural, serverNow } from "../format.js";
import { panelFrame } from "../panel.js";
import { DataTable } from "../table.js";

/** The text of /threads as [{name, daemon, ident, stack}]. */
export function parseThreads(text) {
  return text
    .split(/^(?=Thread: )/m)
    .filter((part) => part.startsWith("Thread: "))
    .map((part) => {
      const [head, ...rest] = part.split("\n");
      const inner = /<\w+\((.*)\)>?/.exec(head);
      const words = inner ? inner[1].split(", ") : [head.slice(8)];
      const state = words[words.length - 1] || "";
      const summary = rest.findIndex((line) => line.startsWith("=== "));
      const stack = (summary < 0 ? rest : rest.slice(0, summary))
        .join("\n")
        .replace(/^Stack trace:\n/, "")
        .replace(/^ {2}/gm, "")
        .trimEnd();
      return {
        name: words.slice(0, -1).join(", ") || words[0],
        daemon: /daemon/.test(state),
        ident: (/(\d+)\s*$/.exec(state) || [])[1] || head,
        stack,
      };
    });
}

// Files of the standard library.
const PYTHON = /\/lib\/python3(?:\.\d+)?\/(?!site-packages\/|dist-packages\/)/;
const MOST_NAMES = 6; // of a group of threads

function namesOf(members) {
  const names = [...new Set(members.map((one) => one.name))];
  return (
    names.slice(0, MOST_NAMES).join(", ") +
    (names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "")
  );
}

// A running thread that LMCache calls inactive has not run for three intervals.
const LATE = 3;
// Seconds since the last run below which no thread is overdue: some run every few milliseconds.
const LEAST_LATE = 1;
const RANK = { overdue: 3, "last run failed": 2, "on time": 1, "not running": 0 };
const MARK = {
  overdue: ["◆ overdue", "warn"],
  "last run failed": ["◆ last run failed", "warn"],
  "on time": ["● on time", "good"],
  "not running": ["○ not running", "quiet"],
};

function stateOf(thread) {
  if (!thread.is_running) return "not running";
  const isFresh = thread.last_run_time && thread.last_run_ago < LEAST_LATE;
  if (!isFresh && (thread.is_active === false || overdue(thread) > LATE)) return "overdue";
  return thread.last_summary && thread.last_summary.success === false
    ? "last run failed"
    : "on time";
}

const overdue = (thread) =>
  thread.is_running && thread.interval && thread.last_run_ago !== null
    ? thread.last_run_ago / thread.interval
    : 0;

/** A duration, with the digits that one below 2 s needs. */
const shortly = (seconds) => (seconds < 2 ? format(seconds, "seconds") : duration(seconds));

const LONG_NAME = 24; // letters; a shorter name is not broken at its hyphens
const LETTER = 7.5; // px
const PADDING = 16; // px

const IDENTITY_COLUMNS = [
  {
    id: "state",
    label: "State",
    width: 84,
    value: (row) => RANK[stateOf(row)] * 1000 + Math.min(999, overdue(row)),
    search: stateOf,
    sig: stateOf,
    render: (row) =>
      h("span", { class: `state-word ${MARK[stateOf(row)][1]}` }, MARK[stateOf(row)][0]),
  },
  {
    id: "name",
    label: "Name",
    width: 150,
    head: true,
    cls: "wrap",
    value: (row) => row.name,
    sig: (row) => row.name,
    render: (row) =>
      row.name.length > LONG_NAME ? breakable(row.name) : h("span", { class: "gap" }, row.name),
  },
  { id: "level", label: "Level", width: 80, drop: 6, value: (row) => row.level },
  {
    id: "interval",
    label: "Every",
    width: 62,
    drop: 4,
    num: true,
    value: (row) => row.interval,
    text: (row) => shortly(row.interval),
  },
];
// LMCache writes what failed as a Python list: "Failed checks: ['a', 'b']".
const LISTED = /\['(.*)'\]/;
const said = (row) =>
  ((row.last_summary && row.last_summary.message) || "").replace(LISTED, (whole, items) =>
    items.split("', '").join(", "),
  );
/** A number stays beside what it counts: "0 timeouts" is not broken. */
const whatCounted = (text) => text.replace(/\b(\d+) (?=\w)/g, "$1\u00a0");

const RUN_COLUMNS = [
  {
    id: "last",
    label: "Last run",
    width: 84,
    num: true,
    value: (row) => row.last_run_ago,
    text: (row) => (row.last_run_time ? `${shortly(row.last_run_ago)} ago` : "never"),
  },
  {
    id: "runs",
    label: "Runs",
    width: 70,
    drop: 5,
    num: true,
    value: (row) => row.total_runs,
    text: (row) => plain(Math.round(row.total_runs)),
  },
  {
    id: "failed",
    label: "Failed",
    width: 62,
    drop: 2,
    num: true,
    value: (row) => row.failed_runs,
    text: (row) => plain(row.failed_runs),
  },
  {
    id: "said",
    label: "Last result",
    width: 220,
    drop: 3,
    value: said,
    sig: said,
    render: (row) => breakableCall(whatCounted(said(row))),
    cls: "wrap",
  },
];

/** The columns for these threads: a name that is not broken has its room. */
function columnsFor(threads) {
  const lengths = threads.map(({ name }) => name.length).filter((one) => one <= LONG_NAME);
  const need = Math.max(0, ...lengths) * LETTER + PADDING;
  const sized = ({ id, width }) => ({ width: id === "name" ? Math.max(width, need) : width });
  return [...IDENTITY_COLUMNS, ...RUN_COLUMNS].map((one) => ({ ...one, ...sized(one) }));
}

function showPeriodic({ threads = [] }, body) {
  if (!threads.length) {
    body.append(h("p", { class: "quiet-line" }, "This node runs no periodic threads."));
    return;
  }
  const count = (state) => threads.filter((one) => stateOf(one) === state).length;
  const states = Object.keys(RANK).filter(count);
  const said = (state) => (state === "last run failed" ? "failed in the last run" : state);
  const text = states.map((state) => `${count(state)} ${said(state)}`).join(", ");
  const table = new DataTable({
    label: "Periodic threads",
    fixed: false,
    key: (row) => row.name,
    sort: { id: "state", down: true },
    columns: columnsFor(threads),
  });
  table.update(threads);
  body.append(h("p", { class: "quiet-line" }, text), table.element);
}

/** Where a stack is: its last frame, and before it the last one that is not Python's own. */
function place(stack) {
  const frames = [...stack.matchAll(/File "([^"]*)", line (\d+), in (\S+)/g)];
  if (!frames.length) return "";
  const told = ([, file, line, name]) =>
    `${name} (${file.slice(file.lastIndexOf("/") + 1)}:${line})`;
  const last = frames[frames.length - 1];
  const own = frames.filter(([, file]) => !PYTHON.test(file)).pop();
  return own && own !== last ? `${told(own)} › ${told(last)}` : told(last);
}

/** The stacks of all threads, equal ones together; a second sample shows which are stuck. */
class Stacks {
  constructor(ctx) {
    this.ctx = ctx;
    this.first = null; // {time, threads}: the sample that a second one is compared with
    this.threads = [];
    this.still = null; // idents of the threads with the same stack in both samples
    this.needle = "";
    this.list = h("div");
    this.count = h("span", { class: "muted" });
    this.search = searchBox("Search frames", (text) => {
      this.needle = text.toLowerCase();
      return this.#draw();
    });
    this.again = online(
      button(
        "Sample again and show stuck threads",
        () => working(this.again, () => this.#sample()),
        {
          kind: "small",
        },
      ),
      ctx.signal,
    );
    this.all = button("Show all", () => this.#showAll(), { kind: "small" });
    this.all.hidden = true;
    this.frame = panelFrame({
      title: "Stacks",
      path: "/threads",
      ctx,
      load: async () => {
        const raw = await ctx.text("/threads");
        return { data: raw, raw };
      },
      render: (text, body) => this.#render(text, body),
    });
  }

  #render(text, body) {
    this.threads = parseThreads(text);
    this.still = null;
    this.first = { time: serverNow(), threads: this.threads };
    const tools = [this.search, this.again, this.all, this.count];
    body.append(h("div", { class: "tools" }, tools), this.list);
    this.#draw();
  }

  #showAll() {
    this.still = null;
    this.#draw();
  }

  async #sample() {
    if (!this.first) return;
    try {
      const next = parseThreads(await this.ctx.text("/threads"));
      const before = new Map(this.first.threads.map((one) => [one.ident, one.stack]));
      const same = next.filter((one) => before.get(one.ident) === one.stack);
      this.still = new Set(same.map((one) => one.ident));
      this.threads = next;
      this.#draw();
    } catch (error) {
      setText(this.count, error.message);
    }
  }

  #fits(thread) {
    const words = `${thread.name}\n${thread.stack}`.toLowerCase();
    return words.includes(this.needle) && (!this.still || this.still.has(thread.ident));
  }

  #countText(found, stacks) {
    const all = plural(this.threads.length, "thread");
    if (!this.still) return `${all}, ${plural(stacks, "distinct stack")}`;
    const more = found ? " (including those that wait for work)" : "";
    return `${plain(found)} of ${all} with the same frames as at ${clock(this.first.time)}${more}`;
  }

  #draw() {
    const groups = new Map();
    const found = this.threads.filter((thread) => this.#fits(thread));
    for (const thread of found)
      groups.set(thread.stack, [...(groups.get(thread.stack) || []), thread]);
    const sorted = [...groups].sort((a, b) => b[1].length - a[1].length);
    this.all.hidden = !this.still;
    setText(this.count, this.#countText(found.length, sorted.length));
    const open = Boolean(this.needle) && sorted.length < 6;
    const none = this.threads.length ? "No matching threads." : "The node reported no threads.";
    replace(
      this.list,
      sorted.map(([stack, members]) => stackDetails(stack, members, open)),
      sorted.length ? null : empty(none),
    );
    return found.length;
  }
}

/**
 * The names of the threads with one stack, and before them how many they are. The first may be
 * wider than its line: it is broken where it must, and stays beside the count.
 */
function stackNames(members) {
  const [first, ...others] = namesOf(members).split(/(?<=,) /);
  const count = members.length > 1 ? h("b", {}, `${members.length} ×\u00a0`) : null;
  return [count, first, " ", whole(others.join(" "))];
}

const stackDetails = (stack, members, open) =>
  h(
    "details",
    { class: "thread", open },
    h("summary", {}, stackNames(members), " ", h("span", { class: "muted" }, place(stack))),
    h("pre", { class: "block", tabindex: "0" }, breakable(stack)),
  );

export function mount(root, ctx) {
  const periodic = panelFrame({
    title: "Periodic threads",
    path: "/periodic-threads",
    ctx,
    load: () => ctx.json("/periodic-threads"),
    render: showPeriodic,
  });
  root.append(periodic.element, new Stacks(ctx).frame.element);
}
