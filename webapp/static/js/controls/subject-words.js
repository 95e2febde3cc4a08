/** How the subject is called on the card and in every form. */

import { clip, count, sessionName } from "../ui/format.js";

/** @import { Subject } from "../state/subject.js" */

/** The branch: its pane's letter and its session's name. @param {Subject} subject */
export function nameOf({ letter, session }) {
  return [letter, clip(sessionName(session), 44)].filter(Boolean).join(" · ");
}

/** Where the checkpoint stands in its session. @param {Subject} subject */
export function placeOf({ node, session, atHead }) {
  if (atHead) return session?.state === "closed" ? "head, closed" : "head";
  const behind = (session?.frame_index ?? 0) - node.frame_index;
  return behind > 0 ? `${count(behind, "step")} before the head` : "not the head";
}
