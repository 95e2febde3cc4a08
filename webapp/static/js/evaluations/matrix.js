/** The matrix prompt x seed: thumbnail, verdict and score of each variant. A sheet at a time, so that ten thousand are no more than three hundred. */

import { here } from "../state/address.js";
import { fill, h, text } from "../ui/dom.js";
import { iconButton } from "../ui/fields.js";
import { clip, short, shortId } from "../ui/format.js";
import { numberAt, sheetsOf } from "./plan.js";
import { VERDICTS, reasonsOf, verdictOf } from "./words.js";

/**
 * @import { Plan, Row } from "../net/evaluations.js"
 * @import { Condition, Shape, Sheet } from "./plan.js"
 * @typedef {Object} Subject  what is shown
 * @property {Plan} plan
 * @property {Condition[]} conditions
 * @property {Shape} shape
 * @property {Map<number, Row>} rows  by variant, of this sheet
 * @property {{across: number, down: number}} at
 */

const CELL = 70; // pixels with its gap
const NAME = 190;
const BORDERS = 30; // of the box around
const FEWEST = 3;
const HELP = "Choose a cell to see why; Enter or a click opens its branch, with Shift beside the others.";

/** @param {{turn: (across: number, down: number) => void, open: (row: Row, beside: boolean) => void, resized: () => void}} does */
export function buildMatrix(does) {
  const where = h("span", { class: "dim", role: "status" });
  const left = iconButton("prev", "Earlier seeds", () => turn(-1, 0));
  const right = iconButton("next", "Later seeds", () => turn(1, 0));
  const up = h("button", { class: "button small", onclick: () => turn(0, -1) }, "Earlier rows");
  const down = h("button", { class: "button small", onclick: () => turn(0, 1) }, "Later rows");
  const table = h("div", { class: "matrix" });
  const about = h("p", { class: "matrix-about", role: "status" }, HELP);
  const el = h("section", { class: "eval-matrix", "aria-label": "Results" },
    h("div", { class: "eval-head" }, h("h3", {}, "Each variant"), h("span", { class: "spacer" }), up, down, where, left, right), table, about);
  /** @type {Subject|null} */
  let shown = null;
  const turn = (/** @type {number} */ across, /** @type {number} */ below) => (
    shown && does.turn(shown.at.across + across, shown.at.down + below));
  const tell = (/** @type {Event} */ event) => {
    const row = rowOf(event, shown);
    if (!row) return;
    const words = [`Variant ${row.variant}`, row.seed !== null && `seed ${row.seed}`, VERDICTS[verdictOf(row)][1], ...reasonsOf(row)];
    text(about, words.filter(Boolean).join(" · "));
  };
  table.addEventListener("focusin", tell);
  table.addEventListener("pointerover", tell);
  table.addEventListener("click", (event) => {
    const row = rowOf(event, shown);
    if (row?.head) does.open(row, event.shiftKey);
  });
  table.addEventListener("keydown", walk);
  new ResizeObserver(does.resized).observe(el);
  return {
    el,
    /** How many seeds stand side by side. */
    columns: () => Math.max(FEWEST, Math.floor(((el.parentElement?.clientWidth || 900) - BORDERS - NAME) / CELL)),
    /** @param {Subject|null} subject @param {Sheet} sheet */
    show(subject, sheet) {
      shown = subject;
      el.hidden = !subject;
      if (!subject) return;
      const { across, down: below } = sheetsOf(subject.shape, sheet);
      const { at, shape } = subject;
      left.disabled = at.across === 0;
      right.disabled = at.across >= across - 1;
      up.hidden = below < 2;
      down.hidden = below < 2;
      up.disabled = at.down === 0;
      down.disabled = at.down >= below - 1;
      const first = at.across * sheet.columns * sheet.bands;
      text(where, `seeds ${first + 1} to ${Math.min(shape.seeds, first + sheet.columns * sheet.bands)} of ${shape.seeds}${
        below > 1 ? `, rows ${at.down * sheet.rows + 1} to ${Math.min(shape.conditions, (at.down + 1) * sheet.rows)} of ${shape.conditions}` : ""}`);
      const key = [at.across, at.down, sheet.columns, sheet.bands, ...[...subject.rows.values()].map((row) => `${row.variant}${row.finished}`)];
      const focused = /** @type {HTMLElement|null} */ (table.querySelector("[data-variant]:focus"))?.dataset.variant;
      fill(table, key.join(), () => bandsOf(subject, sheet));
      if (focused) /** @type {HTMLElement|null} */ (table.querySelector(`[data-variant="${focused}"]`))?.focus();
    },
  };
}

/** @param {Event} event @param {Subject|null} shown */
function rowOf(event, shown) {
  const cell = /** @type {HTMLElement|null} */ (/** @type {Element} */ (event.target).closest("[data-variant]"));
  return cell ? shown?.rows.get(Number(cell.dataset.variant)) : undefined;
}

/** @param {Subject} subject @param {Sheet} sheet */
function bandsOf(subject, sheet) {
  const { plan, shape, conditions, at } = subject;
  const seeds = plan.variants?.length ? ["each its own"] : plan.seeds ?? [null];
  const first = at.across * sheet.columns * sheet.bands;
  const differing = differs(conditions);
  return Array.from({ length: sheet.bands }, (_, band) => {
    const from = first + band * sheet.columns;
    const places = Array.from({ length: Math.max(0, Math.min(sheet.columns, shape.seeds - from)) }, (__, i) => from + i);
    if (!places.length) return null;
    const rows = conditions.slice(at.down * sheet.rows, (at.down + 1) * sheet.rows);
    return h("table", { class: "matrix-band" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Seed"), ...places.map((place) => h("th", { scope: "col" }, seeds[place] ?? "own")))),
      h("tbody", {}, ...rows.map((condition, i) => {
        const name = nameOf(condition, differing);
        return h("tr", {}, h("th", { scope: "row", title: name }, clip(name, 60)),
          ...places.map((place) => cellOf(subject, numberAt(shape, place, at.down * sheet.rows + i))));
      })));
  });
}

/** Which members tell the conditions apart. @param {Condition[]} conditions */
function differs(conditions) {
  const has = (/** @type {keyof Condition} */ name) => new Set(conditions.map((condition) => condition[name])).size > 1;
  return { actions: has("actions"), checkpoint: has("checkpoint"), policy: has("policy"), settings: has("settings"), mode: has("mode") };
}

/** @param {Condition} condition @param {ReturnType<typeof differs>} differing */
function nameOf({ prompt, actions, checkpoint, policy, settings, mode, seed }, differing) {
  return [prompt ?? "the checkpoint's own prompt", differing.actions && (actions ?? "policy"), differing.policy && (policy ?? "the model's policy"),
    differing.settings && (settings ?? "the checkpoint's own settings"), differing.mode && mode, differing.checkpoint && shortId(checkpoint),
    typeof seed === "number" && `seed ${seed}`].filter(Boolean).join(" · ");
}

/** @param {Subject} subject @param {number} variant */
function cellOf({ rows }, variant) {
  const row = rows.get(variant);
  const verdict = verdictOf(row);
  const [sign, words] = VERDICTS[verdict];
  const score = typeof row?.score === "number" ? short(row.score) : "";
  return h("td", {}, h("button", {
    class: `cell ${verdict}`, "data-variant": variant, disabled: !row, tabindex: variant === firstOf(rows) ? "0" : "-1",
    "aria-label": `Variant ${variant}, ${words}${score ? `, score ${score}` : ""}`, title: row ? reasonsOf(row).join("\n") : words,
  },
  row?.head ? h("img", { src: here(`/api/checkpoints/${row.head}/thumbnail?width=64`), alt: "", width: "64", height: "64", loading: "lazy" })
    : h("span", { class: "cell-empty" }),
  h("span", { class: "cell-facts" }, h("b", {}, sign), score)));
}

/** The variant that Tab comes to. @param {Map<number, Row>} rows */
function firstOf(rows) {
  return rows.keys().next().value;
}

/** Arrows go from cell to cell. @param {KeyboardEvent} event */
function walk(event) {
  const delta = new Map([["ArrowLeft", [-1, 0]], ["ArrowRight", [1, 0]], ["ArrowUp", [0, -1]], ["ArrowDown", [0, 1]]]).get(event.key);
  const cell = /** @type {Element} */ (event.target).closest("td");
  const rows = [.../** @type {Element} */ (event.currentTarget).querySelectorAll("tbody tr")];
  if (!delta || !cell) return;
  event.preventDefault();
  event.stopPropagation();
  const row = /** @type {HTMLTableRowElement|undefined} */ (rows[rows.indexOf(/** @type {Element} */ (cell.parentElement)) + delta[1]]);
  row?.cells[cell.cellIndex + delta[0]]?.querySelector("button")?.focus();
}
