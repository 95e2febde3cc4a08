/** What the reader of the page can do about an error. The server's hints speak to those who write requests. */

/** @type {Record<string, string>} by the error's code */
const WAYS = {
  SessionLimitReached: "Close a session that is not needed now: its tree and checkpoints stay.",
  SessionClosed: "Open the session again, or fork one of its checkpoints.",
  PinLimitReached: "Unpin a checkpoint first.",
  HeadMoved: "Somebody else moved this session: look at its new head and decide again.",
  ModelUnavailable: "Try again in a moment: no worker has loaded the model yet.",
  InvalidRequest: "Correct the field and send it again.",
  RateLimited: "Wait a moment and try again.",
};
const FOR_PROGRAMS = /\b(GET|POST|PUT|PATCH|DELETE) \/|\/api\/|\/openapi/;

/** @param {string|undefined} code @param {string|undefined} hint  the server's */
export function wayOut(code, hint) {
  const own = WAYS[code ?? ""];
  if (own) return own;
  return (hint ?? "").split(/(?<=[.;]) /).filter((sentence) => !FOR_PROGRAMS.test(sentence)).join(" ");
}

/** @type {[RegExp, string][]} what the checks of the server say, and what that means */
const MEANINGS = [
  [/^should have at least 1 (character|item).*/, "is empty"], [/^should have at most (\d+) characters?.*/, "has more than $1 characters"],
  [/^should be a valid (integer|number).*/, "must be a number"], [/^should be greater than or equal to (\S+)/, "must be at least $1"],
  [/^should be less than or equal to (\S+)/, "must be at most $1"],
];

/** What is wrong with a field, in the words of the page. @param {string} expected  as the server said it */
export function meaning(expected) {
  const bare = expected.replace(/^(Value|String|List|Input) /, "");
  const known = MEANINGS.find(([form]) => form.test(bare));
  return known ? bare.replace(known[0], known[1]) : expected;
}
