/** The tree's arithmetic: lineages, and which node holds which video frame. */

import { state } from "./store.js";

/** @typedef {import("./types.js").Node} Node */

const cache = new Map();

/** Forget cached lineages (another tree was opened). */
export function forgetLineages() {
  cache.clear();
}

/** Video frames that one step adds. */
export function framesPerStep() {
  const fromModel = state.model?.geometry?.frames_per_step;
  if (fromModel) return fromModel;
  for (const node of state.nodes.values()) if (node.frame_index > 0 && node.n_frames) return node.n_frames;
  return 8;
}

/** Frames per second of the model's video. */
export function fps() {
  return state.model?.geometry?.fps || 12;
}

/**
 * Nodes from the root to `nodeId`. Ancestors never change, so a lineage is kept once it is complete.
 * @param {string} nodeId
 * @returns {Node[]}
 */
export function lineage(nodeId) {
  const kept = cache.get(nodeId);
  if (kept) return kept.map((id) => state.nodes.get(id));
  const path = [];
  for (let node = state.nodes.get(nodeId); node; node = state.nodes.get(node.parent)) path.push(node);
  path.reverse();
  if (path.length && path[0].parent === null) cache.set(nodeId, path.map((node) => node.id));
  return path;
}

/** Number of video frames from the root to the end of a node. */
export function totalFrames(nodeId) {
  const node = state.nodes.get(nodeId);
  return node ? 1 + framesPerStep() * node.frame_index : 0;
}

/** Steps that are complete at video frame n: the checkpoint one can fork from there. */
export function stepsAt(frame) {
  return Math.floor(frame / framesPerStep());
}

/** Last video frame of a node. */
export function lastFrame(node) {
  return node.frame_index * framesPerStep();
}

/**
 * Which node of a lineage shows video frame n, and the frame's place in that node.
 * @param {string} nodeId  end of the lineage
 * @param {number} frame
 * @returns {{node: Node, index: number}|null}
 */
export function locate(nodeId, frame) {
  const path = lineage(nodeId);
  const step = Math.ceil(frame / framesPerStep());
  const node = path[Math.min(step, path.length - 1)];
  if (!node) return null;
  return { node, index: frame === 0 ? 0 : (frame - 1) % framesPerStep() };
}

/** The checkpoint of a lineage at or before a video frame. */
export function checkpointAt(nodeId, frame) {
  const path = lineage(nodeId);
  return path[Math.min(stepsAt(frame), path.length - 1)] ?? null;
}

/** Deepest node shared by all the lineages, or null. */
export function commonAncestor(nodeIds) {
  const paths = nodeIds.map(lineage);
  let last = null;
  for (let depth = 0; ; depth += 1) {
    const node = paths[0]?.[depth];
    if (!node || paths.some((path) => path[depth]?.id !== node.id)) return last;
    last = node;
  }
}

let leafCache = { version: -1, list: [] };

/** Leaves of the tree: nodes without children. */
export function leaves() {
  if (leafCache.version !== state.treeVersion) {
    leafCache = { version: state.treeVersion, list: [...state.nodes.values()].filter((node) => node.children.length === 0) };
  }
  return leafCache.list;
}
