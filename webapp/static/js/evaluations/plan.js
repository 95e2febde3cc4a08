/** What an evaluation tries: from a variant's number to its place in the matrix, a sheet at a time. Pure. */

import { settingsInWords } from "../lists/settings.js";

/**
 * @import { Plan } from "../net/evaluations.js"
 * @typedef {Object} Condition  what a row of the matrix has in common
 * @property {string|null} prompt
 * @property {string|null} actions
 * @property {string} checkpoint
 * @property {string|null} policy
 * @property {string|null} settings  of the model, in words; null: the checkpoint's own
 * @property {string|null} mode  of the prompt; null: all have one
 * @property {number|null} [seed]  of a plan that lists its variants one by one
 * @typedef {{seeds: number, conditions: number}} Shape  how many there are of each
 * @typedef {{columns: number, bands: number, rows: number}} Sheet  seeds side by side, how often below each other, conditions in each
 */

/** What the rows of the matrix stand for, in the order in which the server counts them. @param {Plan} plan @returns {Condition[]} */
export function conditionsOf(plan) {
  if (plan.variants?.length) return plan.variants.map((one) => listed(plan, one));
  const { checkpoints, prompts, actions, policies, model_settings: settings, prompt_modes: modes } = plan;
  /** @type {Condition[]} */
  let found = checkpoints.map((checkpoint) => ({ prompt: null, actions: null, checkpoint, policy: null, settings: null, mode: null }));
  /** @param {"prompt"|"actions"|"policy"|"settings"|"mode"} name @param {(string|null)[]} values  each with all that was found before */
  const each = (name, values) => {
    found = values.flatMap((value) => found.map((condition) => ({ ...condition, [name]: value })));
  };
  each("prompt", prompts ?? [null]);
  each("actions", namesOf(actions));
  each("policy", namesOf(policies));
  each("settings", settingsTried(settings ?? {}));
  each("mode", modes?.length ? modes : [null]);
  return found;
}

/** How many seeds a condition is tried with; of variants one by one each is a condition. @param {Plan} plan */
export function seedsTried({ variants, seeds }) {
  return variants?.length ? 1 : seeds?.length ?? 1;
}

/** @param {Plan} plan @param {NonNullable<Plan["variants"]>[number]} one @returns {Condition} */
function listed({ checkpoints, prompts, seeds, policies, model_settings: settings }, one) {
  const own = one.model_settings ? settingsInWords(one.model_settings) : settingsTried(settings ?? {})[0];
  return { prompt: one.prompt ?? prompts?.[0] ?? null, actions: one.actions ?? null, checkpoint: one.checkpoint ?? checkpoints[0],
    policy: one.policy ?? policies?.[0]?.name ?? null, settings: own, mode: one.prompt_mode ?? null, seed: one.seed ?? seeds?.[0] ?? null };
}

/** @param {{name: string}[]|undefined} given */
function namesOf(given) {
  return given?.length ? given.map(({ name }) => name) : [null];
}

/**
 * Every combination in words, by the order of the names, the last turning fastest.
 * @param {Record<string, number[]>} settings @returns {(string|null)[]}
 */
function settingsTried(settings) {
  const names = Object.keys(settings).sort();
  if (!names.length) return [null];
  /** @type {Record<string, number>[]} */
  let found = [{}];
  for (const name of names) found = found.flatMap((one) => settings[name].map((value) => ({ ...one, [name]: value })));
  return found.map(settingsInWords);
}

/** The number of a variant: seeds turn slowest. @param {Shape} shape @param {number} seed  its place among the seeds @param {number} condition */
export function numberAt({ conditions }, seed, condition) {
  return seed * conditions + condition;
}

const CELLS = 300; // on one sheet
const MOST_ROWS = 25;
const MOST_BANDS = 24;

/**
 * How a sheet of the matrix is cut: few conditions stand in several bands, many on several sheets.
 * @param {Shape} shape @param {number} columns @returns {Sheet}
 */
export function sheetOf({ seeds, conditions }, columns) {
  const rows = Math.min(conditions, MOST_ROWS);
  const side = Math.min(columns, seeds);
  const needed = Math.ceil(seeds / Math.max(1, side));
  return { columns: side, rows, bands: Math.max(1, Math.min(needed, MOST_BANDS, Math.floor(CELLS / (rows * columns)))) };
}

/** Sheets to turn through. @param {Shape} shape @param {Sheet} sheet */
export function sheetsOf({ seeds, conditions }, { columns, bands, rows }) {
  return { across: Math.ceil(seeds / (columns * bands)), down: Math.ceil(conditions / rows) };
}

/**
 * The variants of a sheet as ranges [from, to): one where all conditions are on it, else one for each seed.
 * @param {Shape} shape @param {Sheet} sheet @param {{across: number, down: number}} at @returns {[number, number][]}
 */
export function rangesOf(shape, { columns, bands, rows }, at) {
  const first = at.across * columns * bands;
  const last = Math.min(shape.seeds, first + columns * bands);
  if (rows === shape.conditions) return [[numberAt(shape, first, 0), numberAt(shape, last, 0)]];
  const top = at.down * rows;
  const end = Math.min(shape.conditions, top + rows);
  return Array.from({ length: last - first }, (_, i) => [numberAt(shape, first + i, top), numberAt(shape, first + i, end)]);
}
