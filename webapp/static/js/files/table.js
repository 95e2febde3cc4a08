/** Actions as text: CSV and JSON, written and read. Pure. */

import { lastFrameOf } from "../state/frames.js";

/**
 * @import { Node } from "../state/types.js"
 * @import { Checked } from "../ui/checks.js"
 */

/** One line per action: where it belongs, and its numbers. @param {Node[]} path @param {{names: string[], perStep: number, fps: number}} facts */
export function actionsAsCsv(path, { names, perStep, fps }) {
  const width = path.find((node) => node.actions?.length)?.actions?.[0].length ?? 0;
  const head = ["step", "frame", "seconds", "checkpoint", "source", ...Array.from({ length: width }, (_, i) => cell(names[i] ?? `a${i}`))];
  const lines = path.flatMap((node) => (node.actions ?? []).map((values, i, rows) => {
    const frame = lastFrameOf(node.frame_index - 1 + (i + 1) / rows.length, perStep);
    return [node.frame_index, Number(frame.toFixed(3)), Number((frame / fps).toFixed(4)), node.id, node.action_source ?? "", ...values].join(",");
  }));
  return [head.join(","), ...lines, ""].join("\r\n");
}

/** A name in a table; one that a spreadsheet would take for a formula gets an apostrophe in front. @param {string} words */
function cell(words) {
  const safe = /^[=+\-@\t\r]/.test(words) ? `'${words}` : words;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * Actions that somebody pasted: JSON [[…], …] or [step][action][…], or CSV with or without a head; of a table with more columns
 * than numbers of an action (such as an exported one) the last ones are taken.
 * @param {string} text @param {number} dim  numbers per action @returns {Checked<number[][]>}
 */
export function actionsOf(text, dim) {
  const words = text.trim();
  if (!words) return { problem: "Nothing was pasted." };
  const rows = words.startsWith("[") ? fromJson(words) : fromCsv(words, dim);
  if (!rows) return { problem: "This is neither JSON ([[0.1, …], …]) nor CSV (numbers by commas, an action per line)." };
  const wrong = rows.findIndex((row) => row.length !== dim || !row.every((value) => Number.isFinite(value)));
  if (wrong >= 0) return { problem: `Action ${wrong + 1} has ${rows[wrong].length} numbers that can be read; each needs ${dim}.` };
  return rows.length ? { value: rows, problem: "" } : { problem: "No action is in it." };
}

/** @param {string} words @returns {number[][]|null} */
function fromJson(words) {
  try {
    let read = JSON.parse(words);
    if (Array.isArray(read?.[0]?.[0])) read = read.flat();
    const numbers = (/** @type {unknown[]} */ row) => row.map((one) => (typeof one === "number" ? one : NaN));
    return Array.isArray(read) && read.every(Array.isArray) ? read.map(numbers) : null;
  } catch {
    return null;
  }
}

/** @param {string} words @param {number} dim @returns {number[][]|null} */
function fromCsv(words, dim) {
  const lines = words.split(/\r?\n/).filter((line) => line.trim()).map((line) => line.split(/[,;\t]/).map((part) => part.trim()));
  const isNumber = (/** @type {string} */ part) => part !== "" && Number.isFinite(Number(part));
  if (lines.length && !isNumber(lines[0][lines[0].length - 1])) lines.shift();
  const numbers = (/** @type {string[]} */ line) => line.slice(-dim).map((part) => (isNumber(part) ? Number(part) : NaN));
  return lines.length ? lines.map(numbers) : null;
}
