/** Parts of the dialog on storage: a title with what belongs to it, rows with bars. */

import { h } from "../ui/dom.js";

/** @param {string} title @param {...Node} more */
export function part(title, ...more) {
  return h("section", {}, h("h3", {}, title), ...more);
}

/** Rows of a table: a name, a share as a bar, and words. @param {{name: string, size: number, words: string}[]} rows */
export function bars(rows) {
  const most = Math.max(1, ...rows.map(({ size }) => size));
  return h("div", { class: "bars sizes" }, ...rows.map(({ name, size, words }) => h("div", { class: "bar" },
    h("span", { class: "bar-name" }, name),
    h("span", { class: "bar-track" }, h("span", { class: "bar-fill", style: { width: `${(100 * size) / most}%` } })),
    h("span", { class: "bar-facts" }, words))));
}
