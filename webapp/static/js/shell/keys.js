/** What the keys do. Arrows belong to the focused panel; nothing happens while one types. */

import { forward } from "../controls/actions.js";
import { patchNode, undoNewest } from "../controls/marks.js";
import { showTab } from "../controls/tabs.js";
import { changeSpeed, clock, nudge, pause, seek, toggle } from "../state/clock.js";
import { checkpointAt } from "../state/lineage.js";
import { activate, followHead, jump, setMode, swap } from "../state/panes.js";
import { emit, selectedNode, state, touch } from "../state/store.js";
import { help } from "./help.js";

/** @import { Mode } from "../state/types.js" */

const toggleMode = (/** @type {Mode} */ mode) => setMode(state.mode === mode ? "side" : mode);

/** @type {Record<string, () => unknown>} */
const ACTIONS = {
  " ": toggle, k: toggle, j: () => changeSpeed(-1), l: () => changeSpeed(1),
  ",": () => nudge(-1), ".": () => nudge(1), "<": () => nudge(-10), ">": () => nudge(10),
  home: () => { pause(); seek(0); }, end: followHead,
  "[": () => jump(-1), "]": () => jump(1),
  1: () => activate(0), 2: () => activate(1), 3: () => activate(2), 4: () => activate(3), 5: () => activate(4), 6: () => activate(5),
  w: () => toggleMode("wipe"), d: () => toggleMode("diff"), x: () => toggleMode("blink"), s: swap,
  g: forkHere, b: bookmarkHere, f: forward, e: () => emit("export"),
  escape: leave,
  "/": () => document.getElementById("search")?.focus(), "?": help,
};

/** With Ctrl or Cmd. @type {Record<string, () => unknown>} */
const CTRL_ACTIONS = {
  enter: () => /** @type {HTMLFormElement|null} */ (document.getElementById("step-form"))?.requestSubmit(),
  z: undoNewest,
};

export function listenToKeys() {
  addEventListener("keydown", (event) => {
    const on = /** @type {Element} */ (event.target);
    const typing = on.closest("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]");
    const action = event.altKey ? undefined : actionOf(event, Boolean(typing));
    if (!action || (event.key === " " && on.closest("button, summary, a, [role=treeitem], [role=tree]"))) return;
    event.preventDefault();
    action();
  });
}

/** @param {KeyboardEvent} event @param {boolean} typing */
function actionOf(event, typing) {
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) return typing && key !== "enter" ? undefined : CTRL_ACTIONS[key];
  if (typing) return undefined;
  return ACTIONS[event.shiftKey && event.code === "Comma" ? "<" : event.shiftKey && event.code === "Period" ? ">" : key];
}

/** Out of what one went into: first the way to compare, then the grid. */
function leave() {
  if (state.mode !== "side") setMode("side");
  else if (state.view !== "videos") {
    state.view = "videos";
    touch("view");
  }
}

/** The checkpoint at or before the frame on screen becomes the fork's source. */
function forkHere() {
  const node = atPlayhead();
  if (!node) return;
  pause();
  state.selected = node.id;
  touch("selection", "nodes");
  showTab("fork", { focus: "textarea" });
}

function bookmarkHere() {
  const node = document.activeElement?.closest("#tree") ? selectedNode() : atPlayhead();
  if (node) patchNode(node.id, { bookmarked: !node.bookmarked });
}

function atPlayhead() {
  const pane = state.panes[state.active];
  return pane ? checkpointAt(pane.nodeId, clock.frame) : null;
}
