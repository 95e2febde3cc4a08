/** The trajectory tree: what is on screen as SVG, everything else only as numbers. */

import { lineage } from "../state/lineage.js";
import { openNode, select } from "../state/selection.js";
import { lettersAt, on, state, touch } from "../state/store.js";
import { sessionColour } from "../ui/colours.js";
import { h, svg } from "../ui/dom.js";
import { edgePath, itemView, updateItem } from "./items.js";
import { easyFit, heightOf, into, settled, tailOf } from "./labels.js";
import { COLUMN, ROW, layOut } from "./layout.js";
import { buildMinimap } from "./minimap.js";
import { search } from "./search.js";
import { thumbOf, wantThumbs, whenThumbsCome } from "./thumbs.js";
import { hideTip, showTip } from "./tip.js";
import { neighbour } from "./walk.js";
import { labelOf, word } from "./wording.js";

/** @import { Node, Session } from "../state/types.js" */
/** @import { Item, Layout } from "./layout.js" */
/** @typedef {{kind: "run"|"node", dot: SVGGElement, edge: SVGPathElement|null}} Drawn  the elements of an item */

const MARGIN = 26;
const SMALLEST_FIT = 0.55; // below that no word can be read, and no picture made out
const SHOWN_UP_TO = 0.55; // of the width: there the selected node comes to, so that what follows it can be read
/** @type {Set<string>} */
const unfolded = new Set();
/** @type {Layout|null} */
let layout = null;
/** @type {Map<string, Session[]>} */
let heads = new Map();
/** @type {Set<string>} ends of the panes: they carry letters */
let ends = new Set();
/** @type {Set<string>} heads of sessions that are being stepped */
let running = new Set();
/** @type {Set<string>} */
let found = new Set();
let view = d3.zoomIdentity.translate(MARGIN, MARGIN + 6);
/** @type {Map<string, Drawn>} */
const drawn = new Map();
/** @type {Set<string>} */
let path = new Set();
let revealedIn = ""; // the tree in which a node was last brought into view
/** of the canvas; never read while drawing, that would force a layout */
let size = { width: 0, height: 0 };

const edges = svg("g", { class: "edges", role: "presentation" });
const dots = svg("g", { class: "dots", role: "presentation" });
const camera = svg("g", { role: "presentation" }, edges, dots);
const canvas = svg("svg", { class: "tree-canvas", role: "tree", tabindex: "0", "aria-label": "Trajectory tree; arrows walk, Enter opens" }, camera);
const zoom = /** @type {d3.ZoomBehavior<SVGSVGElement, unknown>} */ (d3.zoom()).scaleExtent([0.15, 2])
  .filter((event) => event.type !== "wheel" && event.type !== "dblclick" && !event.button)
  .on("zoom", ({ transform }) => { view = transform; hideTip(); render(); });
const minimap = buildMinimap((x, row) => d3.select(canvas).call(zoom.translateTo, x, row * ROW));

/** Figures for tests. */
export const treeStats = { nodes: 0, items: 0, drawn: 0, layoutMs: 0, renderMs: 0, openedMs: 0 };

export function buildTreeCanvas() {
  d3.select(canvas).call(zoom);
  canvas.addEventListener("wheel", onWheel, { passive: false });
  canvas.addEventListener("keydown", onKey);
  canvas.addEventListener("click", onClick);
  canvas.addEventListener("dblclick", onClick);
  canvas.addEventListener("pointermove", onHover);
  canvas.addEventListener("pointerleave", hideTip);
  on(["nodes", "sessions", "panes", "selection", "jobs"], update);
  on(["reveal"], reveal);
  whenThumbsCome(render);
  on(["theme"], render);
  new ResizeObserver(([entry]) => {
    const first = !size.width;
    size = { width: entry.contentRect.width, height: entry.contentRect.height };
    if (first) reveal();
    else moveTo(view); // what fits now is seen whole
    render();
  }).observe(canvas);
  return h("div", { class: "tree-box" }, canvas, minimap.el);
}

/** Search words changed; returns how many nodes match. @param {string} query */
export function find(query) {
  found = search(query);
  render();
  return found.size;
}

/** Select the next (or previous) match. */
export function nextMatch(direction = 1) {
  const list = [...found];
  if (!list.length) return;
  const at = list.indexOf(state.selected ?? "");
  select(list[(at + direction + list.length) % list.length]);
}

/** Fold every run again, and zoom out until the whole tree is in view, or back to the start. */
export function fitAll() {
  if (!layout) return;
  unfolded.clear();
  touch("nodes");
  const k = Math.max(SMALLEST_FIT, Math.min(1, (size.width - 2 * MARGIN) / layout.width, (size.height - 2 * MARGIN) / (layout.rows * ROW)));
  d3.select(canvas).call(zoom.transform, d3.zoomIdentity.translate(MARGIN, MARGIN + 6).scale(k));
  reveal();
}

/** Nodes that never fold. @param {Node} node */
function stays(node) {
  return node.parent === null || node.children.length !== 1 || node.failed || node.bookmarked || node.pinned || Boolean(node.label || node.note)
    || node.id === state.selected || heads.has(node.id) || ends.has(node.id) || node.durability === "damaged";
}

function update() {
  const root = state.nodes.get(state.treeId ?? "");
  if (!root) {
    layout = null;
    edges.replaceChildren();
    dots.replaceChildren();
    drawn.clear();
    return;
  }
  const began = performance.now();
  noteSessions();
  const before = selectedItem();
  ends = new Set(state.panes.map((pane) => pane.nodeId));
  layout = layOut(state.nodes, root.id, stays, unfolded);
  keepInPlace(before, selectedItem());
  path = new Set(state.selected ? lineage(state.selected).map((node) => node.id) : []);
  word(layout.items, heads, ends);
  treeStats.layoutMs = performance.now() - began;
  treeStats.nodes = state.nodes.size;
  treeStats.items = layout.items.length;
  minimap.setLayout(layout);
  render();
}

function noteSessions() {
  heads = new Map();
  running = new Set();
  for (const session of state.sessions.values()) {
    if (session.tree_id !== state.treeId || !session.head) continue;
    heads.set(session.head, [...heads.get(session.head) ?? [], session]);
    if (session.running_job) running.add(session.head);
  }
}

/**
 * The selected node stays where it is on screen when the layout changes around it, unless room would be wasted.
 * @param {Item|undefined} before @param {Item|undefined} now
 */
function keepInPlace(before, now) {
  if (!before || !now || before.id !== now.id || (now.x === before.x && now.row === before.row)) return;
  moveTo(view.translate(before.x - now.x, (before.row - now.row) * ROW));
}

/** @param {d3.ZoomTransform} wanted */
function moveTo(wanted) {
  if (!layout) return;
  const x = settled(wanted.x, layout.width * wanted.k, size.width, MARGIN, tailOf(size.width));
  const y = settled(wanted.y, heightOf(layout.rows) * wanted.k, size.height, MARGIN + 6, MARGIN);
  view = d3.zoomIdentity.translate(x, y).scale(wanted.k);
  Object.assign(canvas, { __zoom: view }); // where d3 keeps it
}

/** Draw what is in view: elements are kept by id, so an update touches only what changed. */
function render() {
  if (!layout) return;
  const began = performance.now();
  camera.setAttribute("transform", view.toString());
  const box = { x0: view.invertX(0) - 80, x1: view.invertX(size.width) + 20, y0: view.invertY(0) - ROW, y1: view.invertY(size.height) + ROW };
  const seen = new Set();
  /** @type {Node[]} */
  const pictured = [];
  for (const item of layout.items) {
    const y = item.row * ROW;
    const fromY = item.from ? item.from.row * ROW : y;
    if (y < box.y0 || fromY > box.y1 || item.x < box.x0 - COLUMN || (item.from?.x ?? item.x) > box.x1) continue;
    seen.add(item.id);
    const node = /** @type {Node} */ (state.nodes.get(item.id));
    if (item.leaf && view.k >= SMALLEST_FIT) pictured.push(node);
    show(item, node);
  }
  if (size.width) wantThumbs(pictured);
  for (const [id, entry] of drawn) {
    if (seen.has(id)) continue;
    erase(entry);
    drawn.delete(id);
  }
  const selected = selectedItem();
  if (selected) canvas.setAttribute("aria-activedescendant", `t-${selected.id}`);
  minimap.setView(box);
  treeStats.drawn = drawn.size;
  if (state.treeReadAt) treeStats.openedMs = performance.now() - state.treeReadAt;
  state.treeReadAt = 0;
  treeStats.renderMs = performance.now() - began;
}

/** @param {Drawn} entry */
function erase({ dot, edge }) {
  dot.remove();
  edge?.remove();
}

/** The elements of an item, made when it has none of its kind. @param {Item} item */
function elementsOf(item) {
  const known = drawn.get(item.id);
  const kind = item.run ? "run" : "node";
  if (known?.kind === kind) return known;
  if (known) erase(known);
  /** @type {Drawn} */
  const made = { kind, dot: itemView(item), edge: item.from && svg("path") };
  drawn.set(item.id, made);
  dots.append(made.dot);
  if (made.edge) edges.append(made.edge);
  return made;
}

/** @param {Item} item @param {Node} node */
function show(item, node) {
  const entry = elementsOf(item);
  updateItem(entry.dot, item, node, {
    selected: item.run ? false : item.id === state.selected, heads: heads.get(item.id) ?? [], running: running.has(item.id),
    found: item.run ? item.run.some((id) => found.has(id)) : found.has(item.id), faded: found.size > 0,
    letters: lettersAt(item.id), thumb: item.leaf && view.k >= SMALLEST_FIT ? thumbOf(node) : "",
    ...labelOf(item, (size.width - view.applyX(item.x)) / view.k),
  });
  if (entry.edge && item.from) edgePath(entry.edge, item, item.from, sessionColour(node.session_id), path.has(item.id));
}

function selectedItem() {
  return layout?.byNode.get(state.selected ?? "");
}

/** The item under the pointer, and its element. @param {Event} event */
function itemAt(event) {
  const el = /** @type {Element} */ (event.target).closest("[data-item]");
  return { el, item: layout?.byNode.get(el?.getAttribute("data-item") ?? "") };
}

/** @param {MouseEvent} event */
function onClick(event) {
  const { item } = itemAt(event);
  if (!item) return;
  if (item.run) unfold(item.run);
  else if (event.type === "dblclick") openNode(item.id);
  else select(item.id, { beside: event.shiftKey });
}

/** @param {string[]} run */
function unfold(run) {
  for (const id of run) unfolded.add(id);
  select(run[0]);
}

/** @param {Event} event */
function onHover(event) {
  const { el, item } = itemAt(event);
  if (el && item) showTip(item, el.getBoundingClientRect());
  else hideTip();
}

/** @param {WheelEvent} event */
function onWheel(event) {
  event.preventDefault();
  const selection = d3.select(canvas);
  if (event.ctrlKey || event.metaKey) {
    selection.call(zoom.scaleBy, 2 ** (-event.deltaY / 300), d3.pointer(event, canvas));
  } else {
    const [dx, dy] = event.shiftKey ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
    selection.call(zoom.translateBy, -dx / view.k, -dy / view.k);
  }
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const item = selectedItem() ?? layout?.items[0];
  if (!item || !layout) return;
  if (event.key === "Enter" || event.key === " ") {
    if (item.run) unfold(item.run);
    else openNode(item.id, { beside: event.shiftKey });
  } else if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
    const next = neighbour(layout, item, event.key);
    if (next) select(next.id);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Bring the selected node into view: by little when it is near, else to the middle; what fits is seen whole. */
function reveal() {
  const item = selectedItem();
  if (!item || !layout || !size.width) return;
  if (revealedIn !== state.treeId) view = view.scale(easyFit(layout.width, size.width, MARGIN));
  const [x, y] = view.apply([item.x, item.row * ROW]);
  const far = x < -size.width || x > 2 * size.width || y < -size.height || y > 2 * size.height;
  const best = item.leaf ? size.width - 3 * MARGIN : size.width * SHOWN_UP_TO;
  const dx = far ? best - x : into(x, MARGIN, revealedIn === state.treeId && x < size.width - 3 * MARGIN ? x : best);
  revealedIn = state.treeId ?? "";
  const dy = far ? size.height / 2 - y : into(y, 2 * MARGIN, size.height - MARGIN);
  moveTo(view.translate(dx / view.k, dy / view.k));
  render();
}
