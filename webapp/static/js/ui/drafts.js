/** What was typed into a form and not sent yet: kept for the tab, also when the page is loaded again. */

const PLACE = "arc.drafts";
const MOST = 60;

/** @typedef {Record<string, string>} Values  by the names of the fields */

/** @type {Map<string, Values>} */
let kept = new Map();
try {
  kept = new Map(JSON.parse(sessionStorage.getItem(PLACE) ?? "[]"));
} catch { /* storage is blocked or holds something else: begin anew */ }

/** @param {string} key  which form, and what it is about @returns {Values|null} */
export function draftOf(key) {
  return kept.get(key) ?? null;
}

/** @param {string} key @param {Values|null} values  null: sent, or thrown away */
export function keepDraft(key, values) {
  kept.delete(key);
  if (values) kept.set(key, values);
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST) break;
    kept.delete(oldest);
  }
  try {
    sessionStorage.setItem(PLACE, JSON.stringify([...kept]));
  } catch { /* blocked: they last until the page is closed */ }
}
