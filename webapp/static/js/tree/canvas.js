/** The trajectory tree: what is on screen as SVG, everything else only as numbers. */

import { lineage } from "../state/lineage.js";
import { branchNames } from "../state/names.js";
import { openNode, select } from "../state/selection.js";
import { LETTERS, on, state, touch } from "../state/store.js";
import { sessionColour } from "../ui/colours.js";
import { h, svg } from "../ui/dom.js";
import { clip } from "../ui/format.js";
import { edgePath, itemView, updateItem } from "./items.js";
import { COLUMN, ROW, layOut } from "./layout.js";
import { buildMinimap } from "./minimap.js";
import { hideTip, showTip } from "./tip.js";
import { neighbour, search } from "./walk.js";

const MARGIN = 26;
const LETTER_WIDTH = 6.7;
const unfolded = new Set();
let layout = null;
let heads = new Map();
let running = new Set();
let nameOf = () => "";
let found = new Set();
let view = d3.zoomIdentity.translate(MARGIN, MARGIN + 6);
const drawn = new Map();
let path = new Set();
/** of the canvas; never read while drawing, that would force a layout */
let size = { width: 0, height: 0 };

const edges = svg("g", { class: "edges", role: "presentation" });
const dots = svg("g", { class: "dots", role: "presentation" });
const camera = svg("g", { role: "presentation" }, edges, dots);
const canvas = svg("svg", { class: "tree-canvas", role: "tree", tabindex: "0", "aria-label": "Trajectory tree; arrows walk, Enter opens" }, camera);
const zoom = d3.zoom().scaleExtent([0.15, 2]).filter((event) => event.type !== "wheel" && event.type !== "dblclick" && !event.button)
  .on("zoom", ({ transform }) => { view = transform; hideTip(); render(); });
const minimap = buildMinimap((x, row) => moveTo(x, row));

/** Figures for tests. */
export const treeStats = { nodes: 0, items: 0, drawn: 0, layoutMs: 0, renderMs: 0, openedMs: 0 };

/** @returns {HTMLElement} */
export function buildTreeCanvas() {
  d3.select(canvas).call(zoom);
  canvas.addEventListener("wheel", onWheel, { passive: false });
  canvas.addEventListener("keydown", onKey);
  canvas.addEventListener("click", onClick);
  canvas.addEventListener("dblclick", onClick);
  canvas.addEventListener("pointermove", onHover);
  canvas.addEventListener("pointerleave", hideTip);
  on("nodes sessions panes selection jobs", update);
  on("reveal", reveal);
  on("theme", render);
  new ResizeObserver(([entry]) => {
    size = { width: entry.contentRect.width, height: entry.contentRect.height };
    render();
  }).observe(canvas);
  return h("div", { class: "tree-box" }, canvas, minimap.el);
}

/** Search words changed; returns how many nodes match. */
export function find(query) {
  found = search(query);
  render();
  return found.size;
}

/** Select the next (or previous) match. */
export function nextMatch(direction = 1) {
  const list = [...found];
  if (!list.length) return;
  const at = list.indexOf(state.selected);
  select(list[(at + direction + list.length) % list.length]);
}

/** Zoom out until the whole tree is in view, or back to the start. */
export function fit() {
  if (!layout) return;
  const k = Math.max(0.15, Math.min(1, (size.width - 2 * MARGIN) / layout.width, (size.height - 2 * MARGIN) / (layout.rows * ROW)));
  d3.select(canvas).call(zoom.transform, d3.zoomIdentity.translate(MARGIN, MARGIN + 6).scale(k));
}

function stays(node) {
  return node.parent === null || node.children.length !== 1 || node.failed || node.bookmarked || node.pinned || node.label
    || node.id === state.selected || heads.has(node.id) || node.durability === "damaged";
}

function update() {
  const root = state.treeId && state.nodes.get(state.treeId);
  if (!root) {
    layout = null;
    edges.replaceChildren();
    dots.replaceChildren();
    drawn.clear();
    return;
  }
  const began = performance.now();
  noteSessions();
  const anchor = layout?.byNode.get(state.selected);
  layout = layOut(state.nodes, root.id, stays, unfolded);
  keepInPlace(anchor);
  path = new Set(state.selected ? lineage(state.selected).map((node) => node.id) : []);
  nameOf = branchNames();
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
    if (!heads.has(session.head)) heads.set(session.head, []);
    heads.get(session.head).push(session);
    if (session.running_job) running.add(session.head);
  }
}

/** The selected node stays where it is on screen when the layout changes around it. */
function keepInPlace(before) {
  const now = before && layout.byNode.get(state.selected);
  if (!now || (now.x === before.x && now.row === before.row)) return;
  view = view.translate(before.x - now.x, (before.row - now.row) * ROW);
  canvas.__zoom = view;
}

/** Draw what is in view: elements are kept by id, so an update touches only what changed. */
function render() {
  if (!layout) return;
  const began = performance.now();
  camera.setAttribute("transform", view.toString());
  const box = { x0: view.invertX(0) - 80, x1: view.invertX(size.width) + 20, y0: view.invertY(0) - ROW, y1: view.invertY(size.height) + ROW };
  const seen = new Set();
  for (const item of layout.items) {
    const y = item.row * ROW;
    const fromY = item.from ? item.from.row * ROW : y;
    if (y < box.y0 || fromY > box.y1 || item.x < box.x0 - COLUMN || (item.from?.x ?? item.x) > box.x1) continue;
    seen.add(item.id);
    show(item, y >= box.y0 && y <= box.y1);
  }
  for (const [id, entry] of drawn) {
    if (seen.has(id)) continue;
    entry.dot.remove();
    entry.edge?.remove();
    drawn.delete(id);
  }
  const box2 = layout.byNode.get(state.selected);
  if (box2) canvas.setAttribute("aria-activedescendant", `t-${box2.id}`);
  minimap.setView(box);
  treeStats.drawn = drawn.size;
  if (state.treeReadAt) treeStats.openedMs = performance.now() - state.treeReadAt;
  state.treeReadAt = 0;
  treeStats.renderMs = performance.now() - began;
}

function show(item) {
  let entry = drawn.get(item.id);
  const kind = item.run ? "run" : "node";
  if (entry && entry.kind !== kind) {
    entry.dot.remove();
    entry.edge?.remove();
    entry = null;
  }
  if (!entry) {
    entry = { kind, dot: itemView(item), edge: item.from ? svg("path", {}) : null };
    drawn.set(item.id, entry);
    dots.append(entry.dot);
    if (entry.edge) edges.append(entry.edge);
  }
  const node = state.nodes.get(item.id);
  updateItem(entry.dot, item, node, {
    selected: item.run ? false : item.id === state.selected, heads: heads.get(item.id) ?? [], running: running.has(item.id),
    found: item.run ? item.run.some((id) => found.has(id)) : found.has(item.id), faded: found.size > 0,
    letters: letters(item.id), name: item.leaf ? clip(nameOf(node), room(item)) : "",
  });
  if (entry.edge) {
    edgePath(entry.edge, item, sessionColour(node.session_id), path.has(item.id));
  }
}

/** Letters that fit between a branch's label and the panel's edge, in coarse steps so that panning redraws little. */
function room(item) {
  const free = (size.width - view.applyX(item.own)) / (view.k * LETTER_WIDTH);
  return Math.max(14, Math.floor(free / 3) * 3);
}

function letters(id) {
  return state.panes.map((pane, i) => (pane.nodeId === id ? LETTERS[i] : "")).join("");
}

function itemOf(event) {
  const el = event.target.closest?.("[data-item]");
  return el ? drawnItem(el.dataset.item) : null;
}

function drawnItem(id) {
  return layout?.byNode.get(id) ?? null;
}

function onClick(event) {
  const item = itemOf(event);
  if (!item) return;
  if (item.run) unfold(item);
  else if (event.type === "dblclick") openNode(item.id);
  else select(item.id, { beside: event.shiftKey });
}

function unfold(item) {
  for (const id of item.run) unfolded.add(id);
  select(item.run[0]);
}

function onHover(event) {
  const item = itemOf(event);
  if (item) showTip(item, event.target.closest("[data-item]").getBoundingClientRect());
  else hideTip();
}

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

function onKey(event) {
  const item = layout?.byNode.get(state.selected ?? state.treeId) ?? layout?.items[0];
  if (!item) return;
  if (event.key === "Enter" || event.key === " ") {
    if (item.run) unfold(item);
    else openNode(item.id, { beside: event.shiftKey });
  } else if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
    const next = neighbour(layout, item, event.key);
    if (next) select(next.id);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Bring the selected node into view. */
function reveal() {
  const item = layout?.byNode.get(state.selected);
  if (!item) return;
  const [x, y] = view.apply([item.x, item.row * ROW]);
  const { width: w, height: hgt } = size;
  const dx = x < MARGIN ? MARGIN - x : x > w - 3 * MARGIN ? w - 3 * MARGIN - x : 0;
  const dy = y < MARGIN ? MARGIN - y : y > hgt - MARGIN ? hgt - MARGIN - y : 0;
  if (dx || dy) d3.select(canvas).call(zoom.translateBy, dx / view.k, dy / view.k);
}

function moveTo(x, row) {
  d3.select(canvas).call(zoom.translateTo, x, row * ROW);
}

/** Fold every run again. */
export function foldAll() {
  unfolded.clear();
  touch("nodes");
}
