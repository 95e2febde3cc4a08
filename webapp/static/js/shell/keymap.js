/** The keys in the words of the help dialog. `keys.js` gives them their meaning. */

/** @type {[string[], string][]} */
export const KEYS = [
  [["Space", "K"], "Play or pause"],
  [["J", "L"], "Slower, faster"],
  [[",", "."], "One frame back, on (with Shift: ten)"],
  [["Home", "End"], "First frame; follow the newest frame"],
  [["[", "]"], "Previous, next point where branches part"],
  [["1", "2", "3"], "Make pane A, B or C the active one"],
  [["W"], "Wipe between two branches"],
  [["D"], "Difference of two branches"],
  [["X"], "Blink between two branches"],
  [["S"], "Swap the two"],
  [["G"], "Fork from the frame on screen"],
  [["B"], "Bookmark the checkpoint on screen"],
  [["Ctrl", "Z"], "Take back the last mark"],
  [["/"], "Search the tree"],
  [["Ctrl", "Enter"], "Run the step form"],
  [["←", "→", "↑", "↓"], "Walk in the focused panel: tree, timeline, grid, wipe"],
  [["Enter"], "Open the selected checkpoint (with Shift: beside the others)"],
  [["Escape"], "Leave wipe, blink, difference or the grid"],
  [["?"], "This help"],
];
