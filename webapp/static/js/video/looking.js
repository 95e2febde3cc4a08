/** Pointer and wheel on the pictures: look closer, move the part that is seen, read a pixel in all panes. */

import { clock } from "../state/clock.js";
import { comparedFrame } from "../state/comparison.js";
import { emit, state } from "../state/store.js";
import { lens, pan, pixelAt, wholePicture, zoomAt } from "./lens.js";
import { pictureOf } from "./pictures.js";

/** What the pixel under the pointer is in each pane; "" where it is not pointed at. @type {string[]} */
export let pixels = [];

/** @param {HTMLElement} root  of the panes */
export function lookCloser(root) {
  root.addEventListener("wheel", (event) => {
    const box = pictureBox(event);
    if (!box || (!event.ctrlKey && !event.metaKey)) return;
    event.preventDefault();
    zoomAt(2 ** (-event.deltaY / 300), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, { passive: false });
  root.addEventListener("dblclick", (event) => { if (pictureBox(event)) wholePicture(); });
  root.addEventListener("pointerdown", (event) => {
    if (pictureBox(event) && lens.scale > 1 && state.mode !== "wipe") root.setPointerCapture(event.pointerId);
  });
  root.addEventListener("pointermove", (event) => {
    const box = pictureBox(event) ?? root.querySelector(".picture")?.getBoundingClientRect();
    if (!box) return;
    if (root.hasPointerCapture(event.pointerId)) pan(event.movementX / box.width, event.movementY / box.height);
    else read(pictureBox(event) && event.pointerType === "mouse" ? event : null, box);
  });
  root.addEventListener("pointerleave", () => read(null));
}

/** @param {Event} event */
function pictureBox(event) {
  return /** @type {Element} */ (event.target).closest?.(".picture")?.getBoundingClientRect() ?? null;
}

/** @param {PointerEvent|null} event @param {DOMRect} [box] */
function read(event, box) {
  if (!event && !pixels.length) return;
  const at = state.mode === "side" ? clock.frame : comparedFrame(clock.frame).frame;
  pixels = event && box ? state.panes.map((pane) => {
    const picture = pictureOf(pane, at);
    if (picture === "loading" || picture === "missing") return "";
    return pixelAt(picture, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height).words;
  }) : [];
  emit("pixel");
}
