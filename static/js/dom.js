// Elements, built without markup strings: whatever comes from a node becomes text, never HTML.

const SVG_NS = "http://www.w3.org/2000/svg";

/**
 * Append children: strings and numbers as text, arrays flattened, null/undefined/false left out.
 */
export function append(parent, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false || child === true) continue;
    if (Array.isArray(child)) append(parent, ...child);
    else parent.append(child instanceof Node ? child : String(child));
  }
  return parent;
}

function setProps(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.setAttribute("class", value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name === "value") element.value = value;
    else if (name === "indeterminate") element.indeterminate = true;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * An HTML element: `h("p", {class: "note", onclick: f}, "text", child)`; the props may be left
 * out.
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  if (props && typeof props === "object" && !Array.isArray(props) && !(props instanceof Node)) {
    const { value, ...rest } = props;
    setProps(element, rest);
    append(element, ...children);
    // After the options of a select.
    if (value !== undefined && value !== null) element.value = value;
  } else {
    append(element, props, ...children);
  }
  return element;
}

/** A path, URL, call or list falls into parts after "/", "," and "=", and before "(". */
const PARTS = /(?<=[,=]|[^:/=(,]\/)(?=[^/)])|(?=\()/;
/**
 * A part falls into words, but not inside an address with a port or a version, nor before the short
 * end of a name: "mp-0.yaml".
 */
const WORDS =
  /(?<=\w[_-])(?=\w)|(?<=:)(?=\/?[^/\d:])|(?<=[^/.]\.)(?=[^/\d])(?!\w{1,5}$)|(?<=[a-z])(?=[A-Z])/;

const span = (inside) => h("span", { class: "whole" }, inside);

/** The parts of each word, each name among them in one piece where a line can hold it. */
const cut = (text, write) =>
  text.split(/(\s+)/).map((word) =>
    word.split(PARTS).map((part, i, { length }) => {
      const inside = write(part);
      const hasWords = Array.isArray(inside) && inside.length > 1;
      const isPiece = /\w-\w/.test(part) || (hasWords && length > 1);
      return [i ? h("wbr") : null, isPiece ? span(inside) : inside];
    }),
  );

const words = (part) => part.split(WORDS).map((word, i) => [i ? h("wbr") : null, word]);

/**
 * A name, path or URL that may be broken after its separators and between its words, where there is
 * no room for it on one line; a list of paths is broken between them first.
 */
export const breakable = (name) =>
  /^\/.*:\//.test(name)
    ? name.split(/(?<=:)/).map((path) => span(cut(path, words)))
    : cut(name, words);

/** The text of a class or a call: it may break before "(" and inside paths, never in a name. */
export const breakableCall = (text) => cut(text, String);

/** A text with names: a word with a hyphen or a slash is not broken there. */
export const whole = (text) =>
  String(text)
    .split(/(\s+)/)
    .map((word) => (/\w[-/]\w/.test(word) ? span(breakable(word)) : word));

/** Texts with a dot between them, none of which begins or ends a line. */
export const dotted = (texts) =>
  h(
    "span",
    { class: "dots" },
    texts.map((text, i) => [
      i ? h("wbr") : null,
      h("span", { class: "gap" }, h("i", {}, i ? " · " : null), text),
    ]),
  );

/** An SVG element. */
export function svg(tag, props, ...children) {
  const element = document.createElementNS(SVG_NS, tag);
  if (props) setProps(element, props);
  return append(element, ...children);
}

/** What now stands for an element that had the focus: itself, or one that is called the same. */
function heirOf(old, parent) {
  const all = [...parent.querySelectorAll(old.localName)].filter(({ href }) => href === old.href);
  const name = (one) => one.ariaLabel || one.textContent;
  const words = (one) => name(one).replace(/\d+/g, ""); // figures may have changed
  const find = (told) => all.find((one) => told(one) === told(old));
  return find((one) => one) || find(name) || find(words) || (old.href && all[0]);
}

/**
 * Put these children in place of all that the element held; a control that is drawn anew keeps the
 * focus, so that the keyboard goes on from there.
 */
export function replace(parent, ...children) {
  const old = document.activeElement;
  const focused = parent !== old && parent.contains(old);
  parent.replaceChildren();
  append(parent, ...children);
  const heir = focused && heirOf(old, parent);
  if (heir) heir.focus({ preventScroll: true });
  return parent;
}

/** Change a text only when it differs: no needless repaint, no lost selection. */
export function setText(element, text) {
  const value = String(text);
  if (element.textContent !== value) element.textContent = value;
}

/**
 * An icon of the sprite in index.html, 16 px, in the colour of the text; hidden from screen
 * readers.
 */
export function icon(name) {
  return svg(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    svg("use", { href: `#icon-${name}` }),
  );
}

/** Load a style sheet once. */
export function needStyle(href) {
  if (!document.querySelector(`link[href="${href}"]`))
    document.head.append(h("link", { rel: "stylesheet", href }));
}
