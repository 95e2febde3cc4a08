/** Small helpers to build elements without HTML strings (strict CSP, no injection). */

const SVG_NS = "http://www.w3.org/2000/svg";

/**
 * Build an element: `h("button", { class: "x", onclick: f, "aria-label": "…" }, "text", child)`.
 * `style` takes an object (CSSOM), `dataset` an object, `on…` a listener; null and false leave an attribute out.
 * @param {string} tag
 * @param {Object} [props]
 * @param {...(Node|string|number|null|false|Array)} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  assign(el, props);
  el.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return el;
}

/** Like `h`, in the SVG namespace. */
export function svg(tag, props = {}, ...children) {
  const el = document.createElementNS(SVG_NS, tag);
  assign(el, props);
  el.append(...children.flat().filter(Boolean));
  return el;
}

function assign(el, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style" || name === "dataset") Object.assign(el[name], value);
    else if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") el[name] = value;
    else el.setAttribute(name, value === true ? "" : value);
  }
}

/** Replace all children, leaving the element untouched when `key` is the one of the last call. */
export function fill(el, key, build) {
  if (el.arcKey === key) return false;
  el.arcKey = key;
  el.replaceChildren(...[build()].flat().filter(Boolean));
  return true;
}

/** Set an attribute only when it changes (saves style work in hot paths). */
export function attr(el, name, value) {
  const text = String(value);
  if (el.getAttribute(name) !== text) el.setAttribute(name, text);
}

/** Set text only when it changes. */
export function text(el, value) {
  if (el.textContent !== value) el.textContent = value;
}
