/** What can be taken back, the newest last. */

/** @typedef {{words: string, run: () => unknown}} Undo  what was done, and how it is undone */

const MOST = 50;
/** @type {Undo[]} */
const done = [];

/** @param {Undo} entry */
export function remember(entry) {
  done.push(entry);
  if (done.length > MOST) done.shift();
  return entry;
}

/** Take back the newest, or this one if it has not been taken back yet. Answers what it was. @param {Undo} [entry] */
export function undo(entry = done[done.length - 1]) {
  const at = done.indexOf(entry);
  if (at < 0) return null;
  done.splice(at, 1);
  entry.run();
  return entry;
}
