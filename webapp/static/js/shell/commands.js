/** Everything that the page can be told to do: its keys, its words, what it does. The keys, the help and the palette read this one table. */

import { forward } from "../controls/actions.js";
import { patchNode, undoNewest } from "../controls/marks.js";
import { showTab } from "../controls/tabs.js";
import { toggleDriving } from "./driving.js";
import { changeSpeed, clock, nudge, pause, seek, toggle } from "../state/clock.js";
import { checkpointAt } from "../state/lineage.js";
import { activate, close, followHead, jump, setMode, swap } from "../state/panes.js";
import { LETTERS, emit, selectedNode, state, touch } from "../state/store.js";
import { fitAll } from "../tree/canvas.js";
import { toggleTheme } from "../ui/theme.js";
import { wholePicture } from "../video/lens.js";
import { toggleTheatre } from "./theatre.js";
import { toggleTreeInTheMiddle } from "./widths.js";

/**
 * @import { Mode, View } from "../state/types.js"
 * @typedef {Object} Command
 * @property {string} words
 * @property {string[]} keys  as the browser names them, small; with Ctrl or Cmd: "ctrl+z". None: it is in the palette alone
 * @property {() => unknown} run
 */

/** @param {string} words @param {string[]} keys @param {() => unknown} run @returns {Command} */
const command = (words, keys, run) => ({ words, keys, run });
const toggleMode = (/** @type {Mode} */ mode) => () => setMode(state.mode === mode ? "side" : mode);
const toView = (/** @type {View} */ view) => () => {
  state.view = view;
  touch("view");
};

/** @type {[string, Command[]][]} */
export const COMMANDS = [
  ["Playing", [
    command("Play or pause", [" ", "k"], toggle), command("Slower", ["j"], () => changeSpeed(-1)), command("Faster", ["l"], () => changeSpeed(1)),
    command("One frame back", [","], () => nudge(-1)), command("One frame on", ["."], () => nudge(1)),
    command("Ten frames back", ["<"], () => nudge(-10)), command("Ten frames on", [">"], () => nudge(10)),
    command("First frame", ["home"], () => { pause(); seek(0); }), command("Follow the newest frame", ["end"], followHead),
    command("Previous point where branches part", ["["], () => jump(-1)), command("Next point where branches part", ["]"], () => jump(1)),
  ]],
  ["Looking", [
    ...LETTERS.map((letter, i) => command(`Make pane ${letter} the active one`, [String(i + 1)], () => activate(i))),
    command("Close the active pane", [], () => close(state.active)),
    command("Wipe between two branches", ["w"], toggleMode("wipe")), command("Difference of two branches", ["d"], toggleMode("diff")),
    command("Blink between two branches", ["x"], toggleMode("blink")), command("Swap the two", ["s"], swap),
    command("Theatre: the videos alone", ["t"], toggleTheatre),
    command("Show the model's pixels, or smooth them", ["p"], toggleSmooth),
    command("Videos", ["v"], toView("videos")), command("Branches", ["c"], toView("grid")), command("Evaluations", [], toView("evaluations")),
    command("Fit the tree into view", [], fitAll),
    command("Tree in the middle, or not", ["y"], toggleTreeInTheMiddle),
    command("The whole picture again", ["0"], wholePicture), command("Dark or light", [], toggleTheme),
    command("Leave what one went into", ["escape"], leave),
  ]],
  ["Working", [
    command("Run the step form", ["ctrl+enter"], () => form("step-form")?.requestSubmit()), command("Fork from the frame on screen", ["g"], forkHere),
    command("Forward again after a rewind", ["f", "ctrl+shift+z"], forward), command("Drive with keys, a step at a time", ["m"], toggleDriving),
    command("Evaluate from the selected checkpoint", [], () => emit("evaluate")),
    command("New session", ["n"], () => showTab("new", { focus: "textarea" })),
    command("Sessions and trees", [], () => showTab("sessions", { focus: "input" })),
    command("What happened in this session", ["h"], () => showTab("history")),
    command("Bookmark the checkpoint on screen", ["b"], bookmarkHere), command("Mark the checkpoint on screen as failed, or not", [], failHere),
    command("Take back the last mark or rewind", ["ctrl+z"], undoNewest), command("Export: clips, pictures, actions", ["e"], () => emit("export")),
    command("Search the tree", ["/"], () => document.getElementById("search")?.focus()), command("Storage and model", ["i"], () => emit("system")),
    command("All commands", ["ctrl+k"], () => emit("palette")), command("Keys and help", ["?"], () => emit("help")),
  ]],
];

/** @param {string} id */
function form(id) {
  return /** @type {HTMLFormElement|null} */ (document.getElementById(id));
}

function toggleSmooth() {
  state.smooth = !state.smooth;
  touch("mode");
  emit("redraw");
}

/** Out of what one went into: theatre, then the way to compare, then the grid. */
function leave() {
  if (document.body.classList.contains("theatre")) toggleTheatre();
  else if (state.mode !== "side") setMode("side");
  else if (state.view !== "videos") toView("videos")();
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
  const node = meant();
  if (node) patchNode(node.id, { bookmarked: !node.bookmarked });
}

function failHere() {
  const node = meant();
  if (node) patchNode(node.id, { failed: !node.failed });
}

/** In the tree the selected checkpoint, else the one on screen. */
function meant() {
  return document.activeElement?.closest("#tree") ? selectedNode() : atPlayhead();
}

function atPlayhead() {
  const pane = state.panes[state.active];
  return pane ? checkpointAt(pane.nodeId, clock.frame) : null;
}
