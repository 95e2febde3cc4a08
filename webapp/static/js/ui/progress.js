/** A bar that says how far something is. */

import { h } from "./dom.js";

/** @param {number} done @param {number} total @param {string} label */
export function progressBar(done, total, label) {
  const inner = h("span", { style: { width: `${(100 * done) / Math.max(1, total)}%` } });
  const values = { "aria-label": label, "aria-valuemin": "0", "aria-valuemax": total, "aria-valuenow": done };
  return h("div", { class: "progress", role: "progressbar", ...values }, inner);
}
