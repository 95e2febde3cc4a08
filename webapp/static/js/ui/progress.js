/** A bar that says how far something is. */

import { attr, h } from "./dom.js";

/** @param {number} done @param {number} total @param {string} label */
export function progressBar(done, total, label) {
  const bar = h("div", { class: "progress", role: "progressbar", "aria-label": label, "aria-valuemin": "0" }, h("span", {}));
  setProgress(bar, done, total);
  return bar;
}

/** @param {Element} bar  by `progressBar` @param {number} done @param {number} total */
export function setProgress(bar, done, total) {
  attr(bar, "aria-valuemax", total);
  attr(bar, "aria-valuenow", done);
  /** @type {HTMLElement} */ (bar.firstElementChild).style.width = `${(100 * done) / Math.max(1, total)}%`;
}
