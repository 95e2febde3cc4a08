/**
 * Where each node of the tree stands: time runs to the right, every branch has its own row, the oldest child goes
 * straight on. Runs of plain single-child nodes fold into one pill. Pure and linear in the number of nodes.
 */

export const COLUMN = 26;
export const ROW = 46;
/** Width of a pill, and from its left edge to the next item. */
export const PILL = 50;
const RUN_WIDTH = PILL + COLUMN - 9;
const SHORTEST_RUN = 3;

/** @import { Node } from "../state/types.js" */
/**
 * @typedef {Object} Item
 * @property {string} id  node id; of a run, its first node's id
 * @property {number} x
 * @property {number} row
 * @property {Item|null} from  item to the left
 * @property {string[]|null} run  ids of the folded nodes
 * @property {boolean} leaf
 * @property {number} own  x where the stretch begins that this item shares with no later branch
 *
 * @typedef {{items: Item[], byNode: Map<string, Item>, rows: number, width: number}} Layout
 */

/**
 * @param {Map<string, Node>} nodes @param {string} rootId @param {(node: Node) => boolean} stays  nodes that never fold
 * @param {Set<string>} unfolded  first nodes of runs the reader opened
 * @returns {Layout}
 */
export function layOut(nodes, rootId, stays, unfolded) {
  /** @type {Item[]} */
  const items = [];
  /** @type {Map<string, Item>} */
  const byNode = new Map();
  let rows = 0;
  let width = 0;
  const place = (/** @type {Omit<Item, "own">} */ made, /** @type {string[]} */ ids) => {
    const item = { ...made, own: ownStart(nodes, made) };
    items.push(item);
    for (const id of ids) byNode.set(id, item);
    if (item.x > width) width = item.x;
    return item;
  };
  const stack = [{ id: rootId, from: /** @type {Item|null} */ (null), wantedRow: 0 }];
  for (let next = stack.pop(); next; next = stack.pop()) {
    const { id, from, wantedRow } = next;
    let node = nodes.get(id);
    if (!node) continue;
    const row = wantedRow < 0 ? (rows += 1) : wantedRow;
    let left = from;
    const { run, end } = foldable(nodes, node, stays, unfolded);
    if (run.length) {
      left = place({ id, x: after(left), row, from: left, run, leaf: false }, run);
      node = end;
      if (!node) continue;
    }
    left = place({ id: node.id, x: after(left), row, from: left, run: null, leaf: node.children.length === 0 }, [node.id]);
    // the stack gives the first child back first: it keeps the row, later ones open new rows below its whole subtree
    for (let i = node.children.length - 1; i >= 0; i -= 1) stack.push({ id: node.children[i], from: left, wantedRow: i === 0 ? row : -1 });
  }
  return { items, byNode, rows: rows + 1, width: width + COLUMN };
}

/** @param {Map<string, Node>} nodes @param {Omit<Item, "own">} item */
function ownStart(nodes, { x, row, from }) {
  const continues = from && from.row === row && (from.run || nodes.get(from.id)?.children.length === 1);
  return continues ? from.own : x;
}

/** X of an item that follows `left`; a pill is wider than a dot. @param {Item|null} left */
function after(left) {
  if (!left) return 0;
  return left.x + (left.run ? RUN_WIDTH : COLUMN);
}

/**
 * The run that starts at `node`, plain nodes with one child each, and the node after it.
 * @param {Map<string, Node>} nodes @param {Node} node @param {(node: Node) => boolean} stays @param {Set<string>} unfolded
 */
function foldable(nodes, node, stays, unfolded) {
  const run = [];
  /** @type {Node|undefined} */
  let at = node;
  for (; at && at.children.length === 1 && !stays(at); at = nodes.get(at.children[0])) {
    if (unfolded.has(at.id)) return { run: [] };
    run.push(at.id);
  }
  return run.length >= SHORTEST_RUN ? { run, end: at } : { run: [] };
}
