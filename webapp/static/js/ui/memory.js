/** What this browser remembers for its reader. Where storage is blocked it lasts until the page is closed. */

/** @type {Map<string, string>} */
const kept = new Map();

/** @param {string} name @returns {string|null} */
export function recall(name) {
  try {
    return localStorage.getItem(`arc.${name}`) ?? kept.get(name) ?? null;
  } catch {
    return kept.get(name) ?? null;
  }
}

/** @param {string} name @param {string} value */
export function store(name, value) {
  kept.set(name, value);
  try {
    localStorage.setItem(`arc.${name}`, value);
  } catch { /* blocked: `kept` has it */ }
}
