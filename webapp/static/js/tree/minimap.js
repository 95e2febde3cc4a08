/** The whole tree in a corner, with the part on screen marked; drag to move. */

import { state } from "../state/store.js";
import { sized } from "../ui/canvas.js";
import { sessionToken, token } from "../ui/colours.js";
import { h } from "../ui/dom.js";
import { ROW } from "./layout.js";

/** @import { Layout } from "./layout.js" */

const WIDTH = 132;
const HEIGHT = 74;
const REPAINT_MS = 300;
const SHOW_FROM = 40; // items; smaller trees are in view anyway

/** @param {(x: number, row: number) => void} moveTo */
export function buildMinimap(moveTo) {
  const map = h("canvas", { class: "minimap-map" });
  const frame = h("div", { class: "minimap-frame" });
  const el = h("div", { class: "minimap", "aria-hidden": "true", hidden: true }, map, frame);
  /** @type {Layout} */
  let layout = { items: [], byNode: new Map(), rows: 1, width: 1 };
  let stale = false;
  const kx = () => WIDTH / layout.width;
  const ky = () => HEIGHT / layout.rows;
  const go = (/** @type {PointerEvent} */ event) => {
    const box = el.getBoundingClientRect();
    moveTo((event.clientX - box.left) / kx(), (event.clientY - box.top) / ky());
  };
  el.addEventListener("pointerdown", (event) => { el.setPointerCapture(event.pointerId); go(event); });
  el.addEventListener("pointermove", (event) => { if (el.hasPointerCapture(event.pointerId)) go(event); });
  const repaint = () => {
    stale = false;
    paint(map, layout, kx(), ky());
  };
  return {
    el,
    /** @param {Layout} next */
    setLayout(next) {
      layout = next;
      el.hidden = layout.items.length < SHOW_FROM;
      if (el.hidden || stale) return;
      stale = true;
      setTimeout(repaint, REPAINT_MS);
    },
    /** The part on screen, in the tree's pixels. @param {{x0: number, x1: number, y0: number, y1: number}} view */
    setView({ x0, x1, y0, y1 }) {
      if (el.hidden) return;
      const [left, right] = [x0, x1].map((x) => Math.max(0, Math.min(WIDTH, x * kx())));
      const [top, bottom] = [y0, y1].map((y) => Math.max(0, Math.min(HEIGHT, (y / ROW) * ky())));
      const box = { left, top, width: right - left, height: bottom - top };
      for (const [side, length] of Object.entries(box)) frame.style.setProperty(side, `${length}px`);
    },
  };
}

/** @param {HTMLCanvasElement} map @param {Layout} layout @param {number} kx @param {number} ky */
function paint(map, layout, kx, ky) {
  const ctx = sized(map, WIDTH, HEIGHT);
  for (const item of layout.items) {
    ctx.fillStyle = token(sessionToken(state.nodes.get(item.id)?.session_id ?? null));
    const x0 = item.from ? item.from.x * kx : item.x * kx;
    ctx.fillRect(x0, item.row * ky, Math.max(1, item.x * kx - x0), Math.max(1, Math.min(2, ky)));
  }
}
