/** Looking closer at the pictures: the same part of every pane, and the value of one pixel in each. */

import { emit } from "../state/store.js";
import { context2d } from "../ui/canvas.js";

/** @import { Picture } from "./pictures.js" */

const MOST = 16;
/** The part that is seen: its left upper corner, 0 to 1, and how much larger it is. */
export const lens = { scale: 1, x: 0, y: 0 };

/** Pictures are cut to the part that is seen. @param {Picture} picture @returns {Picture} */
export function seen(picture) {
  if (lens.scale === 1) return picture;
  const { x, y, w, h } = picture;
  return { ...picture, x: x + lens.x * w, y: y + lens.y * h, w: w / lens.scale, h: h / lens.scale };
}

/**
 * Look closer (factor > 1) or from further away; what stands at u, v of the view stays there.
 * @param {number} factor @param {number} u @param {number} v
 */
export function zoomAt(factor, u, v) {
  const scale = Math.max(1, Math.min(MOST, lens.scale * factor));
  const [x, y] = [lens.x + u / lens.scale, lens.y + v / lens.scale];
  set(scale, x - u / scale, y - v / scale);
}

/** @param {number} du  of the view @param {number} dv */
export function pan(du, dv) {
  set(lens.scale, lens.x - du / lens.scale, lens.y - dv / lens.scale);
}

export function wholePicture() {
  set(1, 0, 0);
}

/** @param {number} scale @param {number} x @param {number} y */
function set(scale, x, y) {
  const most = 1 - 1 / scale;
  Object.assign(lens, { scale, x: Math.max(0, Math.min(most, x)), y: Math.max(0, Math.min(most, y)) });
  emit("redraw");
}

const probe = context2d(Object.assign(document.createElement("canvas"), { width: 1, height: 1 }), { willReadFrequently: true });

/** The pixel of a picture that is seen at u, v of the view: its place and its colour. @param {Picture} picture @param {number} u @param {number} v */
export function pixelAt({ image, x, y, w, h }, u, v) {
  const column = Math.min(w - 1, Math.floor((lens.x + u / lens.scale) * w));
  const row = Math.min(h - 1, Math.floor((lens.y + v / lens.scale) * h));
  probe.drawImage(image, x + column, y + row, 1, 1, 0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  return { column, row, words: `(${column}, ${row}) ${red} ${green} ${blue}` };
}
