/** Pictures onto canvases: sizes, smoothing, the frozen and the missing. */

import { state } from "./store.js";

/** Match a canvas's pixels to its size on screen. True when it changed (its content is gone then). */
export function fitCanvas(canvas) {
  const ratio = devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (canvas.width === width && canvas.height === height) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}

/** A 2D context with the reader's choice of smoothing. */
export function context(canvas) {
  const ctx = canvas.getContext("2d");
  ctx.imageSmoothingEnabled = state.smooth;
  ctx.imageSmoothingQuality = "high";
  return ctx;
}

/** @param {import("./frames.js").Picture} picture */
export function paint(ctx, picture, x = 0, y = 0, w = ctx.canvas.width, h = ctx.canvas.height) {
  ctx.drawImage(picture.image, picture.x, picture.y, picture.w, picture.h, x, y, w, h);
}
