/** Pictures that a reader brings: small enough to be sent, and the part of them that a model gets. */

import { context2d } from "./canvas.js";

const LARGEST_SIDE = 4096;
const LARGEST_BYTES = 12e6;
const SENT_SIDE = 2048; // of a picture that has to be made smaller

/** @typedef {{x: number, y: number, w: number, h: number}} Box */

/**
 * The largest box of this aspect in the middle of a picture.
 * @param {number} width @param {number} height @param {number} aspect  width by height
 * @returns {Box}
 */
export function middle(width, height, aspect) {
  const w = Math.min(width, Math.round(height * aspect));
  const h = Math.min(height, Math.round(width / aspect));
  return { x: Math.floor((width - w) / 2), y: Math.floor((height - h) / 2), w, h };
}

/**
 * What is sent for a file: its own bytes, as every other client would send them; a smaller picture only where the server
 * would refuse it for its size.
 * @param {File} file @returns {Promise<{data: string, note: string}>}
 */
export async function fitting(file) {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" }).catch(() => null);
  const side = Math.max(bitmap?.width ?? 0, bitmap?.height ?? 0);
  if (!bitmap || (side <= LARGEST_SIDE && file.size <= LARGEST_BYTES)) return { data: await asDataUrl(file), note: "" };
  const k = Math.min(1, SENT_SIDE / side);
  const small = scaled(bitmap, { x: 0, y: 0, w: bitmap.width, h: bitmap.height }, Math.round(bitmap.width * k), Math.round(bitmap.height * k));
  /** @type {Blob|null} */
  const blob = await new Promise((resolve) => { small.toBlob(resolve, "image/png"); });
  if (!blob) throw new Error("It could not be made smaller.");
  return { data: await asDataUrl(blob), note: `made smaller from ${bitmap.width} × ${bitmap.height}` };
}

/**
 * A part of a picture at a size, by halves so that nothing is skipped.
 * @param {CanvasImageSource} source @param {Box} box @param {number} width @param {number} height
 */
export function scaled(source, box, width, height) {
  let from = { source, ...box };
  for (;;) {
    const [w, h] = [Math.max(width, Math.ceil(from.w / 2)), Math.max(height, Math.ceil(from.h / 2))];
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: w, height: h });
    const ctx = context2d(canvas);
    ctx.imageSmoothingQuality = "high";
    ctx.drawImage(from.source, from.x, from.y, from.w, from.h, 0, 0, w, h);
    if (w === width && h === height) return canvas;
    from = { source: canvas, x: 0, y: 0, w, h };
  }
}

/** @param {Blob} blob @returns {Promise<string>} */
function asDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Error("The file cannot be read."));
    reader.readAsDataURL(blob);
  });
}
