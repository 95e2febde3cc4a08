/** Small helpers to build elements without HTML strings (strict CSP, no injection). */

const SVG_NS = "http://www.w3.org/2000/svg";

/**
 * @typedef {Record<string, any>} Props
 * @typedef {Node|string|number|boolean|null|undefined} Child  null, undefined and booleans are left out
 */

/**
 * Build an element: `h("button", { class: "x", onclick: f, "aria-label": "…" }, "text", child)`.
 * `style` takes an object (CSSOM), `dataset` an object, `on…` a listener; null and false leave an attribute out. A button
 * submits only if its `type` says so.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Props} [props] @param {...(Child|Child[])} children
 */
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  if (el instanceof HTMLButtonElement) el.type = "button";
  assign(el, props);
  el.append(...given(children));
  return el;
}

/**
 * Like `h`, in the SVG namespace.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag @param {Props} [props] @param {...(Child|Child[])} children
 */
export function svg(tag, props = {}, ...children) {
  const el = document.createElementNS(SVG_NS, tag);
  assign(el, props);
  el.append(...given(children));
  return el;
}

/** What there is of the children. @param {(Child|Child[])[]} children */
function given(children) {
  return children.flat().filter((child) => child !== null && child !== undefined && typeof child !== "boolean")
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** @param {any} el @param {Props} props */
function assign(el, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style" || name === "dataset") Object.assign(el[name], value);
    else if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") el[name] = value;
    else el.setAttribute(name, value === true ? "" : value);
  }
}

/** @type {WeakMap<Element, string>} */
const keys = new WeakMap();

/** Whether an element is asked to show something else than last time. @param {Element} el @param {string} key  says what */
export function isNew(el, key) {
  if (keys.get(el) === key) return false;
  keys.set(el, key);
  return true;
}

/**
 * Replace all children, unless `key` is the one of the last call. A control that had the keyboard's focus gives it to its
 * successor of the same name. Fields that people write in do not belong here: what is written would be lost.
 * @param {Element} el @param {string} key @param {() => Child[]} build
 */
export function fill(el, key, build) {
  if (!isNew(el, key)) return;
  const held = el.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
  el.replaceChildren(...given(build()));
  if (!held) return;
  const heirs = [.../** @type {NodeListOf<HTMLElement>} */ (el.querySelectorAll(held.tagName))];
  heirs.find((heir) => nameOf(heir) === nameOf(held))?.focus({ preventScroll: true });
}

/** @param {HTMLElement} control */
function nameOf(control) {
  return control.getAttribute("aria-label") ?? control.textContent;
}

/**
 * Bring the children of `list` into the order of `items`; the elements of those that are gone are removed.
 * @template {{id: string}} Item
 * @param {Element} list @param {Map<string, HTMLElement>} kept  elements by the id of their item
 * @param {Item[]} items @param {(item: Item) => HTMLElement} elementOf
 */
export function arrange(list, kept, items, elementOf) {
  const wanted = new Set(items.map((item) => item.id));
  for (const [id, el] of kept) {
    if (wanted.has(id)) continue;
    el.remove();
    kept.delete(id);
  }
  items.forEach((item, index) => {
    const el = elementOf(item);
    kept.set(item.id, el);
    if (list.children[index] !== el) list.insertBefore(el, list.children[index] ?? null);
  });
}

/** Set an attribute only when it changes (saves style work in hot paths). @param {Element} el @param {string} name @param {unknown} value */
export function attr(el, name, value) {
  const words = String(value);
  if (el.getAttribute(name) !== words) el.setAttribute(name, words);
}

/** Set text only when it changes. @param {Element} el @param {string} value */
export function text(el, value) {
  if (el.textContent !== value) el.textContent = value;
}
