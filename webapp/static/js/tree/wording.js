/** What the items of the tree are called, and as much of it as there is room for. */

import { branchNames } from "../lists/names.js";
import { lettersAt, state } from "../state/store.js";
import { clip } from "../ui/format.js";
import { LETTER_WIDTH, placeLabels, together } from "./labels.js";
import { thumbWidth } from "./thumbs.js";

/**
 * @import { Node, Session } from "../state/types.js"
 * @import { Place } from "./labels.js"
 * @import { Item } from "./layout.js"
 */

const SHORTEST = 3;
const LONGEST = 60;
/** @type {Map<string, Place>} */
let places = new Map();
/** @type {Map<string, Session[]>} by the checkpoint they stand at */
let standing = new Map();
/** @type {(leaf: Node) => string} */
let nameOf = () => "";

/** The layout changed. @param {Item[]} items @param {Map<string, Session[]>} heads @param {Set<string>} ends  of the panes: they carry letters */
export function word(items, heads, ends) {
  standing = heads;
  nameOf = branchNames();
  const worded = items.filter((item) => !item.run && (item.leaf || ends.has(item.id) || wordsOf(item)));
  places = placeLabels(items, new Set(worded.map((item) => item.id)), (item) => state.nodes.get(item.id)?.frame_index ?? 0, thumbWidth());
}

/** A branch has its name; a checkpoint on the way its label, else the sessions that stand there. @param {Item} item */
function wordsOf(item) {
  const node = /** @type {Node} */ (state.nodes.get(item.id));
  if (item.leaf) return nameOf(node);
  return node.label || together((standing.get(item.id) ?? []).map((session) => session.label ?? "").filter(Boolean));
}

/**
 * The words at an item and where they stand: as many as fit before the next label and the panel's edge.
 * @param {Item} item @param {number} free  pixels from its dot to the edge
 */
export function labelOf(item, free) {
  const place = places.get(item.id);
  if (!place) return { words: "", dx: 0, dy: 0 };
  const seen = (free - place.dx) / LETTER_WIDTH;
  // in coarse steps, so that panning redraws little; what is out of view anyway is not cut
  const most = Math.min(place.room, LONGEST, seen > 0 ? Math.max(14, Math.floor(seen / 3) * 3) : LONGEST) - 2 * lettersAt(item.id).length;
  return { words: most < SHORTEST ? "" : clip(wordsOf(item), most), dx: place.dx, dy: place.dy };
}
