/** The three ways to lay two branches over each other on one stage: wipe, blink, difference. */

import { comparedFrame } from "../state/comparison.js";
import { LETTERS, state } from "../state/store.js";
import { context2d } from "../ui/canvas.js";
import { context, paint } from "./draw.js";
import { lens, seen } from "./lens.js";

/** @import { Picture } from "./pictures.js" */

const BLINK_MS = 500;
const GHOST = 0.065; // of the sum of three channels
const GHOST_GONE = 90; // heat at which nothing of it is left
export const GAINS = [1, 2, 4, 8];

export const overlay = {
  /** wipe position, 0..1 */ wipe: 0.5,
  /** which of the two blink shows */ second: false,
  /** blink runs by itself */ blinking: true,
  gain: 4,
  /** mean and largest absolute difference of the last difference picture, 0..255 */ mean: 0,
  max: 0,
};

/** @type {Uint8Array|null} */
let lut = null;
const scratch = [0, 1, 2].map(() => document.createElement("canvas"));

/**
 * Draw the pair in the present mode.
 * @param {HTMLCanvasElement} canvas @param {Picture} a @param {Picture} b
 */
export function drawPair(canvas, a, b) {
  const ctx = context(canvas);
  if (state.mode === "wipe") drawWipe(ctx, seen(a), seen(b));
  else if (state.mode === "blink") paint(ctx, seen(overlay.second ? b : a));
  else drawDifference(ctx, a, b);
}

/** @param {CanvasRenderingContext2D} ctx @param {Picture} a @param {Picture} b */
function drawWipe(ctx, a, b) {
  const { width, height } = ctx.canvas;
  const split = Math.round(width * overlay.wipe);
  paint(ctx, b);
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, 0, split, height);
  ctx.clip();
  paint(ctx, a);
  ctx.restore();
  ctx.fillStyle = "#fff";
  ctx.shadowColor = "#000";
  ctx.shadowBlur = 4;
  ctx.fillRect(split - 1, 0, 2, height);
  ctx.beginPath();
  ctx.roundRect(split - 5, height / 2 - 18, 10, 36, 5);
  ctx.fill();
  ctx.shadowBlur = 0;
}

/**
 * |A - B|, largest channel, times the gain, on a perceptual scale, over a ghost of A in grey that shows where one is.
 * @param {CanvasRenderingContext2D} ctx @param {Picture} a @param {Picture} b
 */
function drawDifference(ctx, a, b) {
  const first = pixels(scratch[0], a, a.w, a.h);
  const second = pixels(scratch[1], b, a.w, a.h);
  const out = new ImageData(first.width, first.height);
  lut ??= scale();
  let sum = 0;
  let max = 0;
  for (let i = 0; i < first.data.length; i += 4) {
    const dr = Math.abs(first.data[i] - second.data[i]);
    const dg = Math.abs(first.data[i + 1] - second.data[i + 1]);
    const db = Math.abs(first.data[i + 2] - second.data[i + 2]);
    const d = Math.max(dr, dg, db);
    sum += (dr + dg + db) / 3;
    if (d > max) max = d;
    const heat = Math.min(255, d * overlay.gain);
    const at = heat * 3;
    const ghost = Math.max(0, 1 - heat / GHOST_GONE) * GHOST * (first.data[i] + first.data[i + 1] + first.data[i + 2]);
    out.data[i] = lut[at] + ghost;
    out.data[i + 1] = lut[at + 1] + ghost;
    out.data[i + 2] = lut[at + 2] + ghost;
    out.data[i + 3] = 255;
  }
  overlay.mean = sum / (first.data.length / 4);
  overlay.max = max;
  scratch[2].width = first.width;
  scratch[2].height = first.height;
  context2d(scratch[2]).putImageData(out, 0, 0);
  const { width: w, height: h } = scratch[2];
  ctx.drawImage(scratch[2], lens.x * w, lens.y * h, w / lens.scale, h / lens.scale, 0, 0, ctx.canvas.width, ctx.canvas.height);
}

/** A picture's pixels at a size. @param {HTMLCanvasElement} canvas @param {Picture} picture @param {number} w @param {number} h */
function pixels(canvas, picture, w, h) {
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const ctx = context2d(canvas, { willReadFrequently: true });
  paint(ctx, picture);
  return ctx.getImageData(0, 0, w, h);
}

/** 256 colours from black over violet and orange to pale yellow (d3's inferno, with a true black). */
function scale() {
  const table = new Uint8Array(256 * 3);
  for (let i = 1; i < 256; i += 1) {
    const colour = d3.rgb(d3.interpolateInferno(i / 255));
    table.set([colour.r, colour.g, colour.b], i * 3);
  }
  return table;
}

/** Turn blink's picture over every half second; returns a function that stops it. @param {() => void} redraw */
export function startBlink(redraw) {
  const timer = setInterval(() => {
    if (!overlay.blinking) return;
    overlay.second = !overlay.second;
    redraw();
  }, BLINK_MS);
  return () => clearInterval(timer);
}

/** What the stage shows, in words (its label for screen readers). @param {number} frame  the clock's */
export function describe(frame) {
  const { ended, last } = comparedFrame(frame);
  return ended === null ? describeMode() : `${LETTERS[ended]} ends at frame ${last}: both are shown there. ${describeMode()}`;
}

function describeMode() {
  const [a, b] = state.pair.map((index) => LETTERS[index]);
  if (state.mode === "wipe") return `Wipe between ${a} and ${b}, ${Math.round(overlay.wipe * 100)} % ${a}`;
  if (state.mode === "blink") return `Blink: ${overlay.second ? b : a} is shown`;
  if (overlay.max === 0) return `${a} and ${b} are identical in this frame`;
  return `Difference of ${a} and ${b}, times ${overlay.gain}: mean ${overlay.mean.toFixed(2)}, largest ${overlay.max} of 255`;
}
