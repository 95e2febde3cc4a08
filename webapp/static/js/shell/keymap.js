/** The keys in the words of the help dialog. `keys.js` gives them their meaning. */

/** @type {[string[], string][]} */
export const KEYS = [
  [["Space", "K"], "Play or pause"],
  [["J", "L"], "Slower, faster"],
  [[",", "."], "One frame back, on (with Shift: ten)"],
  [["Home", "End"], "First frame; follow the newest frame"],
  [["[", "]"], "Previous, next point where branches part"],
  [["1", "2", "3", "4", "5", "6"], "Make pane A to F the active one"],
  [["W"], "Wipe between two branches"],
  [["D"], "Difference of two branches"],
  [["X"], "Blink between two branches; in the grid: select a branch to compare"],
  [["S"], "Swap the two"],
  [["G"], "Fork from the frame on screen"],
  [["B"], "Bookmark the checkpoint on screen"],
  [["F"], "Forward again after a rewind"],
  [["E"], "Export: clips, pictures, actions"],
  [["Ctrl", "Z"], "Take back the last mark or rewind"],
  [["/"], "Search the tree"],
  [["Ctrl", "Enter"], "Run the step form"],
  [["←", "→", "↑", "↓"], "Walk in the focused panel: tree, timeline, grid, wipe"],
  [["Enter"], "Open the selected checkpoint (with Shift: beside the others)"],
  [["Escape"], "Leave wipe, blink, difference or the grid"],
  [["?"], "This help"],
];
