// Making DOM without markup strings: whatever comes from a node becomes text, never HTML.

const SVG_NS = "http://www.w3.org/2000/svg";

/** Append children: strings and numbers as text, arrays flattened, null/undefined/false left out. */
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

/** An HTML element: `h("p", {class: "note", onclick: f}, "text", child)`; the props may be left out. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  if (props && typeof props === "object" && !Array.isArray(props) && !(props instanceof Node)) {
    const { value, ...rest } = props;
    setProps(element, rest);
    append(element, ...children);
    if (value !== undefined && value !== null) element.value = value; // after the options of a select
  } else {
    append(element, props, ...children);
  }
  return element;
}

/** An SVG element. */
export function svg(tag, props, ...children) {
  const element = document.createElementNS(SVG_NS, tag);
  if (props) setProps(element, props);
  return append(element, ...children);
}

/** Put these children in place of all that the element held. */
export function replace(parent, ...children) {
  parent.replaceChildren();
  return append(parent, ...children);
}

/** Change a text only when it differs: no needless repaint, no lost selection. */
export function setText(element, text) {
  const value = String(text);
  if (element.textContent !== value) element.textContent = value;
}

const ICONS = {
  refresh: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3",
  pause: "M5 3v10M11 3v10",
  play: "M5 3l8 5-8 5z",
  copy: "M6 6h7v7H6zM4 10H3V3h7v1",
  lock: "M4 7h8v6H4zM6 7V5a2 2 0 0 1 4 0v2",
  unlock: "M4 7h8v6H4zM6 7V5a2 2 0 0 1 3.9-.6",
  sun: "M8 5.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z",
  auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  menu: "M2 4h12M2 8h12M2 12h12",
  close: "M4 4l8 8M12 4l-8 8",
  edit: "M3 13l1-3 7-7 2 2-7 7z",
  trash: "M3 4h10M6 4V2h4v2M4 4l1 10h6l1-10",
  plus: "M8 3v10M3 8h10",
  search: "M7 2a5 5 0 1 1 0 10A5 5 0 0 1 7 2M11 11l3 3",
  down: "M4 6l4 4 4-4",
  eye: "M1 8s2.5-4.5 7-4.5S15 8 15 8s-2.500 4.500-7 4.500S1 8 1 8M8 6a2 2 0 1 1 0 4 2 2 0 0 1 0-4",
};

/** One of our own icons, 16 px, in the colour of the text; hidden from screen readers. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    svg("path", { d: ICONS[name] }));
}
