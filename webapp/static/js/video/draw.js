/** Pictures onto canvases: sizes, smoothing, the frozen and the missing. */

import { state } from "../state/store.js";
import { context2d } from "../ui/canvas.js";

/** @import { Picture } from "./pictures.js" */

/**
 * Keep a canvas's pixels at its size on screen. Sizes come from the browser (never read while drawing: that would force
 * a layout per frame); a changed canvas is empty, so `redraw` is called.
 * @param {HTMLCanvasElement} canvas @param {() => void} redraw
 */
export function keepFitted(canvas, redraw) {
  new ResizeObserver(([entry]) => {
    const ratio = devicePixelRatio || 1;
    const width = Math.max(1, Math.round(entry.contentRect.width * ratio));
    const height = Math.max(1, Math.round(entry.contentRect.height * ratio));
    if (canvas.width === width && canvas.height === height) return;
    canvas.width = width;
    canvas.height = height;
    redraw();
  }).observe(canvas);
}

/** A 2D context with the reader's choice of smoothing. @param {HTMLCanvasElement} canvas */
export function context(canvas) {
  const ctx = context2d(canvas);
  ctx.imageSmoothingEnabled = state.smooth;
  ctx.imageSmoothingQuality = "high";
  return ctx;
}

/** @param {CanvasRenderingContext2D} ctx @param {Picture} picture */
export function paint(ctx, picture, x = 0, y = 0, w = ctx.canvas.width, h = ctx.canvas.height) {
  ctx.drawImage(picture.image, picture.x, picture.y, picture.w, picture.h, x, y, w, h);
}
