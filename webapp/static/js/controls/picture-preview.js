/** One's own picture as the server reads it: the whole with the part that the model gets, and that part in the model's size. */

import { on, state } from "../state/store.js";
import { context2d } from "../ui/canvas.js";
import { h, text } from "../ui/dom.js";
import { clip } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { middle, scaled } from "../ui/pictures.js";

/**
 * @import { Box } from "../ui/pictures.js"
 * @typedef {{bitmap: ImageBitmap, width: number, height: number, name: string, note: string}} Loaded
 */

const SIDE = 112; // CSS pixels

export function buildPreview() {
  const whole = h("canvas", { class: "preview-whole", role: "img", "aria-label": "Your picture; the model gets the bright part" });
  const part = h("canvas", { class: "preview-part", role: "img", "aria-label": "What the model gets" });
  const facts = h("p", { class: "hint" });
  const el = h("div", { class: "preview", hidden: true }, h("div", { class: "preview-pictures" }, whole, icon("next"), part), facts);
  /** @type {Loaded|null} */
  let loaded = null;
  const draw = () => {
    el.hidden = !loaded;
    if (!loaded) return;
    const { bitmap } = loaded;
    const { image_width: w = bitmap.width, image_height: height = bitmap.height, cameras = 1 } = state.model?.geometry ?? {};
    const all = { x: 0, y: 0, w: bitmap.width, h: bitmap.height };
    const box = cameras > 1 ? all : middle(bitmap.width, bitmap.height, w / height);
    drawWhole(whole, bitmap, box);
    Object.assign(part, { width: w, height });
    context2d(part).drawImage(scaled(bitmap, box, w, height), 0, 0);
    const cut = box.w < all.w || box.h < all.h;
    const words = [`${clip(loaded.name, 40)}: ${loaded.width} × ${loaded.height}`, loaded.note,
      `the model gets ${cut ? "its middle" : "all of it"} at ${w} × ${height}`];
    text(facts, words.filter(Boolean).join(", "));
  };
  on(["model"], draw);
  const set = (/** @type {Loaded|null} */ next) => {
    loaded = next;
    draw();
  };
  return {
    el,
    hide: () => set(null),
    show: set,
    /** @param {{blob: Blob, width: number, height: number}} read @param {string} name @param {string} note @returns {Promise<Loaded>} */
    load: async ({ blob, width, height }, name, note) => ({ bitmap: await createImageBitmap(blob), width, height, name, note }),
  };
}

/** @param {HTMLCanvasElement} canvas @param {ImageBitmap} bitmap @param {Box} box */
function drawWhole(canvas, bitmap, box) {
  const k = (2 * SIDE) / Math.max(bitmap.width, bitmap.height);
  Object.assign(canvas, { width: Math.round(bitmap.width * k), height: Math.round(bitmap.height * k) });
  canvas.style.width = `${canvas.width / 2}px`;
  const ctx = context2d(canvas);
  ctx.globalAlpha = 0.3;
  ctx.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  ctx.globalAlpha = 1;
  ctx.drawImage(bitmap, box.x, box.y, box.w, box.h, box.x * k, box.y * k, box.w * k, box.h * k);
}
