/** The whole tree in a corner, with the part on screen marked; drag to move. */

import { state } from "../state/store.js";
import { sessionColour, token } from "../ui/colours.js";
import { h } from "../ui/dom.js";
import { ROW } from "./layout.js";

const WIDTH = 132;
const HEIGHT = 74;
const REPAINT_MS = 300;
const SHOW_FROM = 40; // items; smaller trees are in view anyway

/** @param {(x: number, row: number) => void} moveTo */
export function buildMinimap(moveTo) {
  const map = h("canvas", { class: "minimap-map" });
  const frame = h("div", { class: "minimap-frame" });
  const el = h("div", { class: "minimap", "aria-hidden": "true", hidden: true }, map, frame);
  let layout = null;
  let stale = false;
  const kx = () => WIDTH / Math.max(layout.width, 1);
  const ky = () => HEIGHT / Math.max(layout.rows, 1);
  const go = (event) => {
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
    setLayout(next) {
      layout = next;
      el.hidden = layout.items.length < SHOW_FROM;
      if (el.hidden || stale) return;
      stale = true;
      setTimeout(repaint, REPAINT_MS);
    },
    setView({ x0, x1, y0, y1 }) {
      if (el.hidden || !layout) return;
      const clamp = (v, max) => Math.max(0, Math.min(max, v));
      frame.style.left = `${clamp(x0 * kx(), WIDTH)}px`;
      frame.style.top = `${clamp((y0 / ROW) * ky(), HEIGHT)}px`;
      frame.style.width = `${clamp(x1 * kx(), WIDTH) - clamp(x0 * kx(), WIDTH)}px`;
      frame.style.height = `${clamp((y1 / ROW) * ky(), HEIGHT) - clamp((y0 / ROW) * ky(), HEIGHT)}px`;
    },
  };
}

function paint(map, layout, kx, ky) {
  const ratio = devicePixelRatio || 1;
  map.width = WIDTH * ratio;
  map.height = HEIGHT * ratio;
  const ctx = map.getContext("2d");
  ctx.scale(ratio, ratio);
  const resolved = new Map();
  for (const item of layout.items) {
    const name = sessionColour(state.nodes.get(item.id)?.session_id);
    if (!resolved.has(name)) resolved.set(name, token(name.slice(4, -1)));
    ctx.fillStyle = resolved.get(name);
    const x0 = item.from ? item.from.x * kx : item.x * kx;
    ctx.fillRect(x0, item.row * ky, Math.max(1, item.x * kx - x0), Math.max(1, Math.min(2, ky)));
  }
}
