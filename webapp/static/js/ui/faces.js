/** On a narrow screen one part of the page is seen at a time: the tree, the videos or the controls. */

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** @import { IconName } from "./icons.js" */
/** @typedef {"tree"|"stage"|"controls"} Face */

/** @type {[Face, string, IconName][]} */
const FACES = [["tree", "Tree", "fork"], ["stage", "Videos", "play"], ["controls", "Controls", "step"]];
/** @type {Map<Face, HTMLElement>} */
const buttons = new Map();

/** @param {HTMLElement} bar */
export function buildFaces(bar) {
  for (const [face, name, picture] of FACES) {
    const button = h("button", { class: "face", onclick: () => showFace(face) }, icon(picture), name);
    buttons.set(face, button);
    bar.append(button);
  }
  showFace("stage");
}

/** @param {Face} face */
export function showFace(face) {
  const layout = document.getElementById("layout");
  if (layout) layout.dataset.face = face;
  for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(name === face));
}
