/** The control panel's tabs. */

import { touch } from "../state/store.js";
import { h } from "../ui/dom.js";
import { showFace } from "../ui/faces.js";

/** @type {Map<string, {tab: HTMLElement, panel: HTMLElement}>} */
const tabs = new Map();
let current = "";

/** @param {{id: string, label: string, content: HTMLElement}[]} list */
export function buildTabs(list) {
  const bar = h("div", { class: "tabs", role: "tablist", "aria-label": "Controls" });
  const panels = h("div", { class: "tab-panels" });
  for (const { id, label, content } of list) {
    const tab = h("button", { role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}`, class: "tab", onclick: () => showTab(id) }, label);
    const panel = h("div", { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": `tab-${id}` }, content);
    tabs.set(id, { tab, panel });
    bar.append(tab);
    panels.append(panel);
  }
  bar.addEventListener("keydown", walk);
  choose(list[0].id);
  return h("div", { class: "tab-box" }, bar, panels);
}

/** Show a tab to the reader. @param {string} id @param {{focus?: string}} [options]  a selector of what gets the focus */
export function showTab(id, { focus } = {}) {
  choose(id);
  showFace("controls");
  if (focus) /** @type {HTMLElement|null|undefined} */ (tabs.get(id)?.panel.querySelector(focus))?.focus();
}

/** @param {string} id */
function choose(id) {
  current = id;
  for (const [key, { tab, panel }] of tabs) {
    tab.setAttribute("aria-selected", String(key === id));
    tab.tabIndex = key === id ? 0 : -1;
    panel.hidden = key !== id;
  }
  touch("tab");
}

export function currentTab() {
  return current;
}

/** @param {KeyboardEvent} event */
function walk(event) {
  const step = new Map([["ArrowLeft", -1], ["ArrowRight", 1]]).get(event.key);
  if (!step) return;
  const ids = [...tabs.keys()];
  const next = ids[(ids.indexOf(current) + step + ids.length) % ids.length];
  showTab(next);
  tabs.get(next)?.tab.focus();
  event.preventDefault();
  event.stopPropagation();
}
