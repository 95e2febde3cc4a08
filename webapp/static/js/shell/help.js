/** The help: the words one meets on the page, the marks in the tree, and the keys. */

import { legend } from "../tree/legend.js";
import { h } from "../ui/dom.js";
import { COMMANDS } from "./commands.js";

const NAMES = new Map([[" ", "Space"], ["escape", "Esc"], ["ctrl+enter", "Ctrl+Enter"], ["home", "Home"], ["end", "End"]]);
/** @type {[string, string][]} keys that belong to the focused panel */
const IN_PANELS = [
  ["← → ↑ ↓", "Walk in the focused panel: tree, timeline, grid, matrix, wipe"], ["Enter", "Open the selected checkpoint (Shift: beside)"],
  ["X", "In the grid: select a branch to compare"], ["Ctrl+wheel", "Look closer: at the time below the videos, at the picture on them"],
];

/** A key as it is written. @param {string} key */
export function keyName(key) {
  return NAMES.get(key) ?? key.split("+").map((part) => part[0].toUpperCase() + part.slice(1)).join("+");
}

export function help() {
  if (document.querySelector("dialog.help")) return;
  const row = (/** @type {string[]} */ keys, /** @type {string} */ words) => (
    [h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, words)]);
  const parts = COMMANDS.map(([name, list]) => h("section", {}, h("h3", {}, name),
    h("dl", { class: "keys" }, ...list.filter(({ keys }) => keys.length).flatMap(({ keys, words }) => row(keys.map(keyName), words)))));
  const dialog = h("dialog", { class: "dialog help", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "How to work with this page"),
    h("p", {}, "A session is one world. Each step makes a few video frames and a checkpoint. Fork any checkpoint with another prompt, seed or "
      + "action; rewind a session when it goes wrong. Nothing is lost: every checkpoint stays in the tree. Ctrl+K finds every command by its words."),
    h("h3", {}, "Marks in the tree"), legend(),
    h("div", { class: "help-keys" }, ...parts,
      h("section", {}, h("h3", {}, "In the focused panel"), h("dl", { class: "keys" }, ...IN_PANELS.flatMap(([key, words]) => row([key], words))))),
    h("div", { class: "dialog-buttons" }, h("button", { class: "button", onclick: () => dialog.close() }, "Close")));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
