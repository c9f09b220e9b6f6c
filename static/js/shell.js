// The top bar: search, the time range, theme, help and lock; the banner of a lost server; the
// page's title.

import {
  bounds,
  fixedLink,
  onRange,
  parseRoute,
  setFixed,
  setLast,
  SPANS,
  timeRange,
} from "./address.js";
import { copy, field, toast } from "./controls.js";
import { h, icon, replace, setText } from "./dom.js";
import { clock, spanText } from "./format.js";
import {
  getToken,
  loadSession,
  poll,
  recall,
  remember,
  setToken,
  store,
  trusted,
} from "./server.js";
import { placeName } from "./side.js";

const part = (selector) => document.querySelector(selector);
const banner = part(".banner");
const themeButton = part("#theme");
const lockButton = part(".lock");
const menuButton = part(".menu-button");
const side = part("#side");
const rangeTools = part(".range");
const narrow = matchMedia("(max-width: 900px)"); // as in style.css
const KEPT = 3600; // seconds of history that every server has

/** The server's time, as far as this page knows it. */
export const serverNow = () =>
  store.status ? store.status.time + (Date.now() / 1000 - store.received) : Date.now() / 1000;

// ---- the time range ----

const spans = h("span", { class: "seg", role: "group", "aria-label": "Time range" });
const spanBox = h("select", { class: "span-box", "aria-label": "Time range" });
const fixedNote = h("span", { class: "fixed-range" });
const liveButton = h("button", { type: "button", class: "live" });
const linkButton = h(
  "button",
  { type: "button", class: "bare", title: "Copy link", "aria-label": "Copy link to this view" },
  icon("link"),
);

/** The spans that the server has figures for. */
export function offeredSpans() {
  const kept = (store.status && store.status.history_seconds) || KEPT;
  const fitting = SPANS.filter(([, , seconds]) => seconds <= kept * 1.01);
  return fitting.length ? fitting : SPANS.slice(0, 1);
}

function toggleLive() {
  const range = timeRange();
  if (!range.live) {
    setLast(lastSpan());
    return;
  }
  const { start, end } = bounds(serverNow());
  setFixed(start, end);
}

function lastSpan() {
  const found = SPANS.find(([name]) => name === recall("last", "1h"));
  return (found || SPANS[1])[2];
}

let drawnRange = "";

function drawRange() {
  const range = timeRange();
  const signature = JSON.stringify([range, offeredSpans().map(([name]) => name)]);
  if (signature === drawnRange) return;
  drawnRange = signature;
  const here = (seconds) => range.live && range.seconds === seconds;
  replace(
    spans,
    offeredSpans().map(([, label, seconds]) =>
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(here(seconds)),
          onclick: () => setLast(seconds),
        },
        label,
      ),
    ),
  );
  replace(
    spanBox,
    range.live ? null : h("option", { value: "" }, "Fixed range"),
    offeredSpans().map(([, label, seconds]) => h("option", { value: seconds }, `Last ${label}`)),
  );
  spanBox.value = range.live ? String(range.seconds) : "";
  setText(fixedNote, range.live ? "" : spanText(range.from, range.to));
  fixedNote.hidden = range.live;
  liveButton.setAttribute("aria-pressed", String(range.live));
  liveButton.title = range.live ? "Hold this range" : "Follow the current time";
  replace(liveButton, range.live ? [h("i"), "Live"] : "Go live");
}

function startRange() {
  spanBox.addEventListener("change", () => {
    if (spanBox.value) setLast(Number(spanBox.value));
  });
  liveButton.addEventListener("click", toggleLive);
  linkButton.addEventListener("click", () => copy(fixedLink(serverNow()), "Link copied"));
  rangeTools.append(spans, spanBox, fixedNote, liveButton, linkButton);
  const place = () =>
    (narrow.matches ? part(".range-row") : part(".range-place")).append(rangeTools);
  narrow.addEventListener("change", place);
  place();
  onRange(drawRange);
}

// ---- the menu of narrow screens ----

export function openMenu(open) {
  const { classList } = document.body;
  const leaves = classList.contains("menu-open") && !open && side.contains(document.activeElement);
  classList.toggle("menu-open", open);
  menuButton.setAttribute("aria-expanded", String(open));
  if (open) side.querySelector("a").focus({ preventScroll: true });
  if (leaves) menuButton.focus({ preventScroll: true });
}

function startMenu() {
  menuButton.addEventListener("click", () =>
    openMenu(!document.body.classList.contains("menu-open")),
  );
  part(".shade").addEventListener("click", () => openMenu(false));
  for (const place of [part("main"), menuButton.parentNode])
    place.addEventListener("focusin", () => {
      if (document.body.classList.contains("menu-open")) openMenu(false);
    });
}

// ---- theme ----

const THEMES = {
  system: ["light", "auto", "Theme: system"],
  light: ["dark", "sun", "Theme: light"],
  dark: ["system", "moon", "Theme: dark"],
};
const theme = () => THEMES[document.documentElement.dataset.themeChoice] || THEMES.system;

function drawTheme() {
  const [, image, label] = theme();
  replace(themeButton, icon(image));
  themeButton.title = label;
  themeButton.setAttribute("aria-label", `${label}. Change`);
}

export function nextTheme() {
  remember("theme", theme()[0]);
  dispatchEvent(new Event("lmcache-theme"));
}

// ---- the lock ----

const ALREADY = {
  everyone: "Everyone who can open this page may make changes.",
  local: "This browser runs on the frontend's host, so it may make changes.",
};

async function forgetToken() {
  setToken("");
  await loadSession();
  toast(trusted() ? "Token removed; this host may make changes without it" : "Read-only again");
}

function tokenField() {
  const input = h("input", {
    name: "token",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
  });
  const show = h("button", { type: "button", class: "bare", "aria-pressed": "false" }, "Show");
  show.addEventListener("click", () => {
    const shown = input.type === "text";
    input.type = shown ? "password" : "text";
    setText(show, shown ? "Show" : "Hide");
    show.setAttribute("aria-pressed", String(!shown));
  });
  const hint =
    "The value of --token or LMCACHE_FRONTEND_TOKEN, or the token in the frontend's start-up " +
    "output. Kept for this tab only.";
  return field("Access token", h("span", { class: "with-button" }, input, show), hint);
}

async function tryToken(form) {
  setToken(form.elements.token.value.trim());
  await loadSession();
  if (!trusted()) {
    setToken("");
    await loadSession();
    throw Object.assign(new Error("This token was not accepted."), { field: "token" });
  }
  toast("Editing enabled for this tab", "good");
}

export async function unlock() {
  if (trusted() && !getToken()) {
    toast(ALREADY[store.session.trust] || ALREADY.local);
    return;
  }
  if (trusted()) {
    await forgetToken();
    return;
  }
  const { formDialog } = await import("./dialog.js");
  const explained =
    "You can view the cluster without a token. To change settings, log levels, nodes or " +
    "silences, enter the access token.";
  await formDialog({
    title: "Enable editing",
    action: "Enable editing",
    build: (body) => body.append(h("p", { class: "muted" }, explained), tokenField()),
    submit: tryToken,
  });
}

function drawLock() {
  const { session } = store;
  if (!session) return; // empty, it is not seen but keeps its place
  const label = session.trusted ? "Editing enabled" : "Read-only";
  lockButton.classList.toggle("locked", !session.trusted);
  lockButton.removeAttribute("aria-label");
  lockButton.title = session.trusted
    ? "You may make changes"
    : "Read-only. To make changes, enter the access token.";
  if (lockButton.dataset.label === label) return;
  lockButton.dataset.label = label;
  replace(lockButton, icon(session.trusted ? "unlock" : "lock"), h("span", {}, label));
}

// ---- a lost server, the title ----

function drawBanner() {
  banner.hidden = !store.error;
  document.body.classList.toggle("offline", Boolean(store.error));
  if (!store.error) return;
  const wait = Math.max(0, Math.ceil(store.retryAt - Date.now() / 1000));
  const since = store.received ? ` The page shows the state of ${clock(store.received)}.` : "";
  if (!banner.firstChild)
    banner.append(
      h("span", {}),
      h("span", { "aria-hidden": "true" }),
      h("button", { type: "button", class: "small", onclick: () => poll() }, "Retry now"),
    );
  setText(banner.children[0], `■ No connection: ${store.error}.${since}`);
  setText(banner.children[1], wait ? `Retrying in ${wait} s.` : "Retrying …");
}

function titleOf() {
  if (store.error) return "No connection · LMCache";
  const { view, key } = parseRoute();
  const place = view === "node" ? key : view === "cluster" ? "" : placeName(view);
  const { down, degraded } = (store.status && store.status.counts) || {};
  const state = down ? `${down} down` : degraded ? `${degraded} degraded` : "";
  return [state, place, "LMCache"].filter(Boolean).join(" · ");
}

export function drawShell() {
  drawLock();
  drawRange();
  drawBanner();
  part(".demo-note").hidden = !(store.status && store.status.demo);
  document.title = titleOf();
}

// ---- keys ----

const typing = (event) =>
  event.target instanceof Element &&
  event.target.closest("input, textarea, select, [contenteditable]");

async function openPalette() {
  const { palette } = await import("./palette.js");
  palette();
}

async function openHelp() {
  const { help } = await import("./palette.js");
  help();
}

function onKey(event) {
  if (event.key === "Escape") openMenu(false);
  const dialog = document.querySelector("dialog[open]");
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!dialog) openPalette();
    return;
  }
  if (dialog || typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = { "/": openPalette, "?": openHelp }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

export function startShell() {
  startRange();
  startMenu();
  drawTheme();
  themeButton.addEventListener("click", nextTheme);
  addEventListener("lmcache-theme", drawTheme);
  lockButton.addEventListener("click", unlock);
  addEventListener("lmcache-unlock", unlock);
  part(".find").addEventListener("click", openPalette);
  part("#help").addEventListener("click", openHelp);
  addEventListener("keydown", onKey);
  setInterval(() => {
    if (store.error) drawBanner();
  }, 1000);
}
