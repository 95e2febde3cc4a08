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

/** 2147483647 -> "2,147,483,647". @param {number} n */
function grouped(n) {
  return n.toLocaleString("en");
}
