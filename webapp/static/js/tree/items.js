/** How a node, a folded run and an edge of the tree look. */

import { sessionColour } from "../ui/colours.js";
import { attr, isNew, svg, text } from "../ui/dom.js";
import { count } from "../ui/format.js";
import { pictureAt } from "./labels.js";
import { PILL, ROW } from "./layout.js";
import { THUMB_HEIGHT, thumbWidth } from "./thumbs.js";

/**
 * @import { Node, Session } from "../state/types.js"
 * @import { Item } from "./layout.js"
 * @typedef {Object} Look  what a node shows beside its own state
 * @property {boolean} selected
 * @property {Session[]} heads  sessions whose head it is
 * @property {boolean} running
 * @property {boolean} found  by the search
 * @property {boolean} faded  others were found
 * @property {string} letters  of the panes that end there
 * @property {string} words  its label, cut to the room there is
 * @property {number} dx  where they stand, from its dot
 * @property {number} dy
 * @property {string} thumb  address of its picture; "": none
 */

const CROSS = "M-3-3l6 6M3-3l-6 6";
const STAR = "M0-4l1.2 2.5 2.8.4-2 2 .5 2.8L0 2.400l-2.500 1.300.5-2.800-2-2 2.800-.4z";
/** A drawing pin at the node's shoulder, so that it shows beside a cross or a star. */
const PIN = "M9 3h6l-1 6 3 3v2.500h-4v6.500h-2v-6.500h-4v-2.500l3-3z";

/** New elements for an item; `updateItem` fills them. @param {Item} item */
export function itemView(item) {
  const g = svg("g", { id: `t-${item.id}`, "data-item": item.id, role: "treeitem" });
  if (item.run) {
    g.append(svg("rect", { x: -9, y: -9, width: PILL, height: 18, rx: 9 }),
      svg("text", { x: PILL / 2 - 9, y: 4, "text-anchor": "middle", class: "run-label" }));
  } else {
    g.append(svg("circle", { r: 12, class: "halo" }), svg("circle", { r: 6, class: "dot" }), svg("path", { class: "glyph" }),
      svg("path", { class: "pin", transform: "translate(1.5 .5) scale(.62)" }),
      svg("text", { class: "row-label" }), svg("text", { class: "step-label" }));
  }
  return g;
}

/** @param {SVGGElement} g @param {Item} item @param {Node} node @param {Look} look */
export function updateItem(g, item, node, look) {
  attr(g, "transform", `translate(${item.x} ${item.row * ROW})`);
  const { durability, failed, bookmarked, pinned, label, children } = node;
  const { selected, running, found, faded, letters, words, dx, dy, heads, thumb } = look;
  const key = [item.leaf, item.run?.length, item.own - item.x, durability, failed, bookmarked, pinned, label, children.length, selected, running,
    found, faded, letters, words, dx, dy, heads.length, thumb, sessionColour(node.session_id)];
  if (!isNew(g, key.join("|"))) return;
  attr(g, "class", classes(item, node, look));
  attr(g, "aria-selected", look.selected);
  attr(g, "aria-level", item.row + 1);
  if (item.run) updateRun(g, item.run);
  else updateNode(g, item, node, look);
}

/** @param {Item} item @param {Node} node @param {Look} look */
function classes(item, node, look) {
  const { selected, running, letters, found } = look;
  const own = item.run ? {} : { failed: node.failed, bookmarked: node.bookmarked, pinned: node.pinned, [node.durability]: true };
  /** @type {Record<string, unknown>} */
  const flags = { run: item.run, ...own, selected, running, head: look.heads.length, shown: letters, faded: look.faded && !found, found,
    fork: node.children.length > 1 };
  return ["item", ...Object.keys(flags).filter((name) => flags[name])].join(" ");
}

/** @param {SVGGElement} g @param {string[]} run */
function updateRun(g, run) {
  const words = count(run.length, "step");
  text(g.children[1], words);
  attr(g, "aria-label", `${words} folded; Enter unfolds`);
  attr(g, "aria-expanded", "false");
}

/** @param {SVGGElement} g @param {Item} item @param {Node} node @param {Look} look */
function updateNode(g, item, node, look) {
  const [halo, dot, glyph, pin, label, step] = /** @type {SVGElement[]} */ ([...g.children]);
  const colour = sessionColour(node.session_id);
  const broken = node.failed || node.durability === "damaged" || node.durability === "deleted";
  dot.style.fill = broken || node.durability === "pending" ? "" : colour;
  dot.style.stroke = broken ? "" : colour;
  halo.style.stroke = colour;
  attr(glyph, "d", node.failed ? CROSS : node.bookmarked ? STAR : "");
  attr(pin, "d", node.pinned ? PIN : "");
  text(step, item.leaf || node.children.length > 1 || look.selected || node.parent === null ? String(node.frame_index) : "");
  attr(step, "x", item.leaf ? 15 : -5);
  attr(step, "y", item.leaf ? 4 : 18);
  attr(step, "text-anchor", item.leaf ? "start" : "end");
  labelRow(label, look);
  showThumb(g, node.frame_index, look.thumb);
  nameForReaders(g, `${label.textContent}${step.textContent}`, spoken(node, look));
}

/** The branch's last picture, behind its step number. @param {Element} g @param {number} step @param {string} src  "": none */
function showThumb(g, step, src) {
  const before = g.querySelector(".thumb");
  if (!src) return before?.remove();
  const image = before ?? svg("image", { class: "thumb", y: 2 - THUMB_HEIGHT / 2, height: THUMB_HEIGHT, width: thumbWidth(),
    preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" });
  attr(image, "x", pictureAt(step));
  attr(image, "href", src);
  return before ?? g.append(image);
}

/**
 * A node that shows words is called by them and described in full; one without words is called by its description.
 * @param {Element} g @param {string} words @param {string} description
 */
function nameForReaders(g, words, description) {
  attr(g, words ? "aria-description" : "aria-label", description);
  g.removeAttribute(words ? "aria-label" : "aria-description");
}

/** Pane letters and what the branch or the checkpoint is called. @param {Element} label @param {Look} look */
function labelRow(label, { letters, words, dx, dy }) {
  const badges = [...letters].map((letter) => svg("tspan", { class: `tree-letter ${letter.toLowerCase()}` }, `${letter} `));
  attr(label, "x", dx);
  attr(label, "y", dy);
  attr(label, "text-anchor", "start");
  label.replaceChildren(...badges, words ? svg("tspan", {}, words) : "");
}

/** What a node shows, in words. @param {Node} node @param {Look} look */
function spoken(node, look) {
  const words = [`Step ${node.frame_index}`, node.label, node.prompt, look.letters && `in pane ${look.letters}`, node.failed && "failed",
    node.bookmarked && "bookmarked", node.pinned && "pinned", node.durability === "pending" && "not stored yet", look.running && "a step is running",
    node.children.length > 1 && `${node.children.length} branches`, look.heads.length && "head of a session"];
  return words.filter(Boolean).join(", ");
}

/**
 * The line from the item on the left; it bends where a branch leaves its trunk.
 * @param {SVGElement} el @param {Item} item @param {Item} from @param {string} colour @param {boolean} lit
 */
export function edgePath(el, item, from, colour, lit) {
  const x0 = from.x + (from.run ? PILL - 9 : 0);
  const y0 = from.row * ROW;
  const y1 = item.row * ROW;
  const x1 = item.x - (item.run ? 9 : 0);
  const bend = Math.min(14, x1 - x0);
  attr(el, "d", y0 === y1 ? `M${x0} ${y0}H${x1}` : `M${x0} ${y0}V${y1 - bend}Q${x0} ${y1} ${x0 + bend} ${y1}H${x1}`);
  attr(el, "class", lit ? "edge lit" : "edge");
  if (isNew(el, colour)) el.style.stroke = colour;
}

