/** What may be typed into a field, and what to say where it may not. Nothing is repaired in silence. */

/** @typedef {{value: T, problem: ""}|{value?: undefined, problem: string}} Checked @template T */

/**
 * A whole number within its limits; empty is undefined where it may be.
 * @param {string} text @param {{name: string, min: number, max: number, optional?: boolean}} limits
 * @returns {Checked<number|undefined>}
 */
export function wholeNumber(text, { name, min, max, optional = false }) {
  const words = text.trim();
  if (!words && optional) return { value: undefined, problem: "" };
  const value = Number(words);
  if (!words || !Number.isInteger(value) || value < min || value > max) {
    return { problem: `${name} must be a whole number from ${grouped(min)} to ${grouped(max)}${words ? `, not ${words.slice(0, 20)}` : ""}.` };
  }
  return { value, problem: "" };
}

/** @param {string} text @param {number} most  characters @returns {Checked<string>} */
export function promptWords(text, most) {
  const value = text.trim();
  if (!value) return { problem: "Say what shall happen: the prompt is empty." };
  if (value.length > most) return { problem: `The prompt has ${grouped(value.length)} characters; at most ${grouped(most)} are accepted.` };
  return { value, problem: "" };
}

/** A score: any number. @param {string} text @returns {Checked<number|null>} */
export function scoreOf(text) {
  const words = text.trim().replace(",", ".");
  if (!words) return { value: null, problem: "" };
  const value = Number(words);
  return Number.isFinite(value) && Math.abs(value) <= 1e9 ? { value, problem: "" } : { problem: "A score is a number, such as 0.8." };
}

const MOST_SEEDS = 100_000;
const LARGEST_SEED = 2147483647;

/** "0-3, 9" -> [0, 1, 2, 3, 9]; both ends belong to a range. @param {string} text @returns {Checked<number[]>} */
export function seedsOf(text) {
  /** @type {Set<number>} */
  const found = new Set();
  for (const part of text.split(",").map((word) => word.trim()).filter(Boolean)) {
    const range = /^(\d+)(?:\s*-\s*(\d+))?$/.exec(part);
    const [low, high] = range ? [Number(range[1]), Number(range[2] ?? range[1])] : [1, 0];
    if (!range || high < low || high > LARGEST_SEED) return { problem: `Seeds are numbers and ranges, such as 0-7, 12; not ${part.slice(0, 24)}.` };
    if (high - low + found.size >= MOST_SEEDS) return { problem: `At most ${grouped(MOST_SEEDS)} seeds can be tried.` };
    for (let seed = low; seed <= high; seed += 1) found.add(seed);
  }
  return found.size ? { value: [...found], problem: "" } : { problem: "Name at least one seed, such as 0-7." };
}

/** Prompts, one a line, each once. @param {string} text @param {number} most  characters of each @returns {Checked<string[]>} */
export function promptsOf(text, most) {
  const lines = [...new Set(text.split("\n").map((line) => line.trim()).filter(Boolean))];
  if (!lines.length) return { problem: "Write at least one prompt, each on its own line." };
  const long = lines.find((line) => line.length > most);
  if (long) return { problem: `A prompt has at most ${most} characters; “${long.slice(0, 30)}…” has ${long.length}.` };
  return { value: lines, problem: "" };
}

/** "limit=0.8, strict=true" -> what a scorer is called with. @param {string} text @returns {Checked<Record<string, number|boolean|string|null>>} */
export function optionsOf(text) {
  /** @type {Record<string, number|boolean|string|null>} */
  const options = {};
  for (const part of text.split(",").map((word) => word.trim()).filter(Boolean)) {
    const [, name, words] = /^(\w+)\s*=\s*(.+)$/.exec(part) ?? [];
    if (!name) return { problem: `Options are written as name=value, such as limit=0.8; not ${part.slice(0, 24)}.` };
    const plain = new Map(/** @type {[string, boolean|null][]} */ ([["true", true], ["false", false], ["null", null]]));
    options[name] = plain.has(words) ? plain.get(words) ?? null : Number.isFinite(Number(words)) ? Number(words) : words;
  }
  return { value: options, problem: "" };
}

/**
 * Values of a setting of the model: "1, 2, 4"; empty: none.
 * @param {string} text @param {{name: string, kind: string, low: number, high: number}} setting @param {number} [most] @returns {Checked<number[]>}
 */
export function valuesOf(text, { name, kind, low, high }, most = Infinity) {
  const words = text.split(",").map((word) => word.trim()).filter(Boolean);
  const isWhole = kind === "discrete";
  const wrong = words.find((word) => !(Number(word) >= low && Number(word) <= high) || (isWhole && !Number.isInteger(Number(word))));
  if (wrong) return { problem: `${name} takes ${isWhole ? "whole numbers" : "numbers"} from ${low} to ${high}, not ${wrong.slice(0, 24)}.` };
  if (words.length > most) return { problem: `${name} is one number here.` };
  return { value: [...new Set(words.map(Number))], problem: "" };
}

/** 2147483647 -> "2,147,483,647". @param {number} n */
function grouped(n) {
  return n.toLocaleString("en");
}
