/** Which actions the steps to come are given: the model's own, one that is held, or curves that are drawn. */

import { on, state } from "../state/store.js";
import { h, text } from "../ui/dom.js";
import { choice } from "../ui/fields.js";
import { buildCurves } from "./curves.js";
import { buildSliders } from "./sliders.js";

const MOST_DRAWN = 200; // steps

/** @typedef {"auto"|"given"|"curves"} Kind */

/** @param {HTMLInputElement} steps  the field that says how many steps are to come */
export function buildGiven(steps) {
  const sliders = buildSliders();
  const curves = buildCurves();
  const recorded = h("p", { class: "hint" });
  const box = h("div", { class: "action-box", hidden: true }, sliders.el, curves.el, recorded);
  /** @type {Kind} */
  let kind = "auto";
  const stepsNow = () => Math.max(1, Math.min(Number(steps.value) || 1, MOST_DRAWN));
  const group = choice("Action", /** @type {[Kind, string][]} */ ([["auto", "Automatic"], ["given", "Held"], ["curves", "Drawn"]]), kind, (value) => {
    kind = value;
    box.hidden = value === "auto";
    sliders.el.hidden = value !== "given";
    curves.el.hidden = value !== "curves";
    if (value === "curves") curves.setSteps(stepsNow());
  });
  steps.addEventListener("input", () => kind === "curves" && curves.setSteps(stepsNow()));
  const row = h("div", { class: "field" }, h("span", { class: "label" }, "Action"), group);
  on(["model"], () => {
    row.hidden = state.model?.geometry.action_dim === 0;
    text(recorded, state.model?.abilities.steers_with_actions === false ? "This model records a given action but does not follow it." : "");
  });
  return {
    els: [row, box],
    /** The actions of so many steps, [steps][action_horizon][action_dim]; undefined: the model's own. @param {number} count */
    actions(count) {
      if (kind === "auto") return undefined;
      if (kind === "given") return Array.from({ length: count }, () => sliders.chunk());
      curves.setSteps(count);
      return curves.chunks();
    },
  };
}
