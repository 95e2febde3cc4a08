/** Small pictures at the ends of branches: asked for once the view rests, a few at a time; the last few hundred are kept. */

import { here } from "../state/address.js";
import { state } from "../state/store.js";

/** @import { Node } from "../state/types.js" */

export const THUMB_HEIGHT = 30;
const WIDEST = 54;
const REST_MS = 150;
const PARALLEL = 4;
const KEPT = 300;
const BACK = 8; // steps; the picture of one of them stands in while a branch grows
/** @type {Map<string, HTMLImageElement|null>} by checkpoint, in order of use; null: asked for, or not to be had */
const kept = new Map();
/** @type {Node[]} */
let wanted = [];
let waiting = false;
let running = 0;
let told = true;
let tell = () => {};

/** @param {() => void} fn  runs when pictures have come, once per frame of the screen */
export function whenThumbsCome(fn) {
  tell = () => {
    told = true;
    fn();
  };
}

/** Width of all of them. */
export function thumbWidth() {
  const { image_width: w, image_height: hgt } = state.model?.geometry ?? {};
  return Math.min(WIDEST, Math.round(THUMB_HEIGHT * (w && hgt ? w / hgt : 1)));
}

/** The address of a leaf's picture, else of the nearest step's before it on the same branch; "": none is here yet. @param {Node} leaf */
export function thumbOf(leaf) {
  /** @type {Node|undefined} */
  let node = leaf;
  for (let i = 0; node && i < BACK && (i === 0 || node.children.length < 2); i += 1) {
    const picture = kept.get(node.id);
    if (picture) {
      kept.delete(node.id); // move to the end: most recently used
      kept.set(node.id, picture);
      return picture.src;
    }
    node = state.nodes.get(node.parent ?? "");
  }
  return "";
}

/** These leaves are in view. What was in view before and is not now is asked for no more. @param {Node[]} leaves */
export function wantThumbs(leaves) {
  wanted = leaves.filter((node) => !kept.has(node.id) && node.durability !== "deleted" && node.durability !== "damaged").reverse();
  if (waiting || !wanted.length) return;
  waiting = true;
  setTimeout(() => {
    waiting = false;
    pump();
  }, REST_MS);
}

function pump() {
  for (; running < PARALLEL; running += 1) {
    const node = wanted.pop();
    if (!node) return;
    load(node).then(() => {
      running -= 1;
      if (told) requestAnimationFrame(tell);
      told = false;
      pump();
    });
  }
}

/** @param {Node} node */
async function load({ id, durability }) {
  kept.set(id, null);
  const picture = new Image();
  picture.src = here(`/api/checkpoints/${id}/thumbnail?width=64`);
  await picture.decode().then(() => kept.set(id, picture), () => {
    if (durability === "pending") kept.delete(id); // once it is stored it may come
  });
  for (const oldest of kept.keys()) {
    if (kept.size <= KEPT) break;
    kept.delete(oldest);
  }
}
