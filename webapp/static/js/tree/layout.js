/**
 * Where each node of the tree stands: time runs to the right, every branch has its own row, the oldest child goes
 * straight on. Runs of plain single-child nodes fold into one pill. Pure and linear in the number of nodes.
 */

export const COLUMN = 26;
export const ROW = 42;
/** Width of a pill, and from its left edge to the next item. */
export const PILL = 50;
const RUN_WIDTH = PILL + COLUMN - 9;
const SHORTEST_RUN = 3;

/**
 * @typedef {Object} Item
 * @property {string} id  node id; of a run, its first node's id
 * @property {number} x
 * @property {number} row
 * @property {Item|null} from  item to the left
 * @property {string[]|null} run  ids of the folded nodes
 * @property {boolean} leaf
 * @property {number} own  x where the stretch begins that this item shares with no later branch
 */

/**
 * @param {Map<string, import("../state/types.js").Node>} nodes
 * @param {string} rootId
 * @param {(node: import("../state/types.js").Node) => boolean} stays  nodes that never fold
 * @param {Set<string>} unfolded  first nodes of runs the reader opened
 * @returns {{items: Item[], byNode: Map<string, Item>, rows: number, width: number}}
 */
export function layOut(nodes, rootId, stays, unfolded) {
  const items = [];
  const byNode = new Map();
  let rows = 0;
  let width = 0;
  const place = (item, ids) => {
    item.own = ownStart(nodes, item);
    items.push(item);
    for (const id of ids) byNode.set(id, item);
    if (item.x > width) width = item.x;
    return item;
  };
  const stack = [[rootId, null, 0]];
  while (stack.length) {
    const [id, from, wantedRow] = stack.pop();
    let node = nodes.get(id);
    if (!node) continue;
    const row = wantedRow < 0 ? (rows += 1) : wantedRow;
    let left = from;
    const run = foldable(nodes, node, stays, unfolded);
    if (run.length) {
      left = place({ id, x: after(left), row, from: left, run, leaf: false }, run);
      node = nodes.get(nodes.get(run[run.length - 1]).children[0]);
      if (!node) continue;
    }
    left = place({ id: node.id, x: after(left), row, from: left, run: null, leaf: node.children.length === 0 }, [node.id]);
    // the stack gives the first child back first: it keeps the row, later ones open new rows below its whole subtree
    for (let i = node.children.length - 1; i >= 0; i -= 1) stack.push([node.children[i], left, i === 0 ? row : -1]);
  }
  return { items, byNode, rows: rows + 1, width: width + COLUMN };
}

function ownStart(nodes, { x, row, from }) {
  const continues = from && from.row === row && (from.run || nodes.get(from.id).children.length === 1);
  return continues ? from.own : x;
}

/** X of an item that follows `left`; a pill is wider than a dot. */
function after(left) {
  if (!left) return 0;
  return left.x + (left.run ? RUN_WIDTH : COLUMN);
}

/** The run that starts at `node`: plain nodes with one child each, up to the next that stays. */
function foldable(nodes, node, stays, unfolded) {
  const run = [];
  for (let at = node; at && at.children.length === 1 && !stays(at); at = nodes.get(at.children[0])) {
    if (unfolded.has(at.id)) return [];
    run.push(at.id);
  }
  return run.length >= SHORTEST_RUN ? run : [];
}
