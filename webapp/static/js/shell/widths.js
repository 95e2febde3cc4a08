/** How wide the panels are: borders that are drawn, or moved by arrows; and the tree in the middle. Kept in this browser. */

import { emit } from "../state/store.js";
import { h } from "../ui/dom.js";
import { recall, store } from "../ui/memory.js";

const STEP = 24;
const [LEAST, MOST] = [220, 900];

/** @param {HTMLElement} layout */
export function buildWidths(layout) {
  for (const side of /** @type {const} */ (["left", "right"])) {
    const kept = Number(recall(side));
    const bar = h("div", { class: `border ${side}`, role: "separator", tabindex: "0", "aria-orientation": "vertical",
      "aria-valuemin": LEAST, "aria-valuemax": MOST, "aria-valuenow": kept || 300,
      "aria-label": side === "left" ? "Width of the tree" : "Width of the controls" });
    const panel = () => /** @type {HTMLElement} */ (document.getElementById(side === "left" ? "tree" : "controls"));
    const set = (/** @type {number} */ width) => {
      const next = Math.round(Math.max(LEAST, Math.min(MOST, innerWidth - 560, width)));
      layout.style.setProperty(`--${side}`, `${next}px`);
      bar.setAttribute("aria-valuenow", String(next));
      store(side, String(next));
      emit("redraw");
    };
    if (kept) set(kept);
    bar.addEventListener("pointerdown", (event) => bar.setPointerCapture(event.pointerId));
    bar.addEventListener("pointermove", (event) => {
      if (bar.hasPointerCapture(event.pointerId)) set(side === "left" ? event.clientX : innerWidth - event.clientX);
    });
    bar.addEventListener("dblclick", () => {
      layout.style.removeProperty(`--${side}`);
      store(side, "");
    });
    bar.addEventListener("keydown", (event) => {
      const delta = new Map([["ArrowLeft", -STEP], ["ArrowRight", STEP]]).get(event.key);
      if (!delta) return;
      set(panel().offsetWidth + (side === "left" ? delta : -delta));
      event.preventDefault();
      event.stopPropagation();
    });
    panel().append(bar);
  }
}

/** The tree has most of the window, or no longer. */
export function toggleTreeInTheMiddle() {
  document.getElementById("layout")?.classList.toggle("tree-first");
  emit("redraw");
}
