/** The bar above the grid: words, state, score, seeds; what the branches are grouped by. */

import { scoreOf, seedsOf } from "../ui/checks.js";
import { attr, h } from "../ui/dom.js";
import { search } from "../tree/search.js";
import { isRunning } from "./card.js";
import { GROUPS, isWithin } from "./groups.js";

/**
 * @import { Node } from "../state/types.js"
 * @import { GroupKey } from "./groups.js"
 */

/** @type {Record<string, [string, (node: Node) => boolean]>} */
const STATES = {
  all: ["All", () => true],
  running: ["Running", isRunning],
  failed: ["Failed", (node) => node.failed],
  fine: ["Not failed", (node) => !node.failed],
  bookmarked: ["Bookmarked", (node) => node.bookmarked],
  scored: ["Scored", (node) => typeof node.score === "number"],
  pending: ["Not stored yet", (node) => node.durability === "pending"],
};

/** On a phone the other filters come when they are wanted. */
function foldButton() {
  const button = h("button", { class: "button grid-fold", "aria-expanded": "false", onclick: () => {
    attr(button, "aria-expanded", button.parentElement?.classList.toggle("open"));
  } }, "Filters");
  return button;
}

/** @param {() => void} changed */
export function buildFilters(changed) {
  const words = h("input", { type: "search", placeholder: "Filter branches …", "aria-label": "Filter branches" });
  const states = h("select", { "aria-label": "Show" }, ...Object.keys(STATES).map((key) => h("option", { value: key }, STATES[key][0])));
  const low = h("input", { class: "short", inputmode: "decimal", placeholder: "from", "aria-label": "Score from" });
  const high = h("input", { class: "short", inputmode: "decimal", placeholder: "to", "aria-label": "Score to" });
  const seeds = h("input", { class: "short", placeholder: "0-7", "aria-label": "Seeds" });
  const by = h("select", { "aria-label": "Group by" }, ...GROUPS.map(([key, name]) => h("option", { value: key }, name)));
  for (const field of [words, states, low, high, seeds, by]) field.addEventListener("input", changed);
  const flag = (/** @type {HTMLInputElement} */ input, /** @type {string} */ wrong) => {
    input.setAttribute("aria-invalid", String(Boolean(wrong)));
    input.title = wrong;
  };
  const bounds = () => {
    const [least, most] = [low, high].map((input) => {
      const { value, problem } = scoreOf(input.value);
      flag(input, problem);
      return value ?? null;
    });
    const asked = seeds.value.trim() ? seedsOf(seeds.value) : { value: undefined, problem: "" };
    flag(seeds, asked.problem);
    return { low: least, high: most, seeds: asked.value ? new Set(asked.value) : null };
  };
  return {
    els: [words, foldButton(), h("label", { class: "foldable" }, "Show ", states), h("span", { class: "pair foldable" }, "Score ", low, high),
      h("label", { class: "foldable" }, "Seeds ", seeds), h("label", { class: "foldable" }, "Group by ", by)],
    /** @param {Node[]} nodes */
    pick(nodes) {
      const hits = words.value.trim() ? search(words.value) : null;
      const [, isShown] = STATES[states.value];
      const within = bounds();
      return nodes.filter((node) => isShown(node) && isWithin(node, within) && (!hits || hits.has(node.id)));
    },
    by: () => /** @type {GroupKey} */ (by.value),
  };
}
