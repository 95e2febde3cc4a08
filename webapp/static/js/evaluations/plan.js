/** What an evaluation tries: from a variant's number to its place in the matrix, a sheet at a time. Pure. */

/**
 * @import { Plan } from "../net/evaluations.js"
 * @typedef {{prompt: string|null, actions: string|null, checkpoint: string}} Condition  what a row of the matrix has in common
 * @typedef {{seeds: number, conditions: number}} Shape  how many there are of each
 * @typedef {{columns: number, bands: number, rows: number}} Sheet  seeds side by side, how often below each other, conditions in each
 */

/** What the rows of the matrix stand for, in the order in which the server counts them. @param {Plan} plan @returns {Condition[]} */
export function conditionsOf({ checkpoints, prompts, actions }) {
  const given = actions?.length ? actions.map(({ name }) => name) : [null];
  return given.flatMap((name) => (prompts ?? [null]).flatMap((prompt) => checkpoints.map((checkpoint) => ({ prompt, actions: name, checkpoint }))));
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
