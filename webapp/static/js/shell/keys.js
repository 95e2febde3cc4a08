/** Keys to commands. Arrows belong to the focused panel; nothing happens while one types. */

import { COMMANDS } from "./commands.js";
import { drive } from "./driving.js";

/** @type {Map<string, () => unknown>} */
const actions = new Map(COMMANDS.flatMap(([, list]) => list.flatMap(({ keys, run }) => keys.map((key) => /** @type {const} */ ([key, run])))));
const WHILE_TYPING = new Set(["ctrl+enter", "ctrl+k"]);

export function listenToKeys() {
  addEventListener("keydown", (event) => {
    const on = /** @type {Element} */ (event.target);
    const typing = on.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") || document.querySelector("dialog[open]");
    if (event.altKey) return;
    if (!typing && drive(event)) return event.preventDefault();
    const name = nameOf(event);
    const action = typing && !WHILE_TYPING.has(name) ? undefined : actions.get(name);
    if (!action || (event.key === " " && on.closest("button, summary, a, [role=treeitem], [role=tree]"))) return;
    event.preventDefault();
    action();
  });
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) return `ctrl+${event.shiftKey ? "shift+" : ""}${key}`;
  return event.shiftKey && event.code === "Comma" ? "<" : event.shiftKey && event.code === "Period" ? ">" : key;
}
