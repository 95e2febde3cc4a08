/** The fields that say in which order the branches stand. */

import { h, text } from "../ui/dom.js";
import { recall, store } from "../ui/memory.js";
import { SORTS, someUnsaid, sorted } from "./sorting.js";

/** @import { Node } from "../state/types.js" */
/** @import { Better, SortKey } from "./sorting.js" */

/** @param {() => void} changed */
export function buildOrder(changed) {
  const keys = h("select", { "aria-label": "Sort by" }, ...SORTS.map(([key, name]) => h("option", { value: key }, name)));
  const turn = h("button", { class: "button small", title: "The other way round" });
  const better = h("select", { "aria-label": "Which score is better" }, h("option", { value: "higher" }, "higher is better"),
    h("option", { value: "lower" }, "lower is better"));
  better.value = recall("better") === "lower" ? "lower" : "higher";
  let reversed = false;
  const tell = () => {
    const [, , directions] = SORTS.find(([key]) => key === keys.value) ?? SORTS[0];
    text(turn, directions[Number(reversed)]);
    changed();
  };
  keys.addEventListener("input", () => { reversed = false; tell(); });
  turn.addEventListener("click", () => { reversed = !reversed; tell(); });
  better.addEventListener("input", () => { store("better", better.value); tell(); });
  text(turn, SORTS[0][2][0]);
  return {
    /** Which way scores are good where they do not say. */
    unsaid: () => /** @type {Better} */ (better.value),
    els: [h("label", {}, "Sort ", keys), turn, better],
    /** @param {Node[]} nodes @param {(node: Node) => string} nameOf */
    sort(nodes, nameOf) {
      better.hidden = keys.value !== "score" || !someUnsaid(nodes);
      const unsaid = /** @type {Better} */ (better.value);
      return sorted(nodes, { key: /** @type {SortKey} */ (keys.value), reversed, unsaid, nameOf });
    },
  };
}
