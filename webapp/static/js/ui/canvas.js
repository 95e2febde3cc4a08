/** Canvases that are drawn in the page's own units, whatever the screen's pixels are. */

/** @param {HTMLCanvasElement} canvas */
export function context2d(canvas, settings = {}) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", settings));
}

/** Empty a canvas and give it a size in CSS pixels. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
export function sized(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const ctx = context2d(canvas);
  ctx.scale(ratio, ratio);
  return ctx;
}
