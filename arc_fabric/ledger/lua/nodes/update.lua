-- needs: base trees
-- Change what may change on a node (Nodes.update names it). ARGV: node, packed fields.
local nid = ARGV[1]
if redis.call('EXISTS', keys.node(nid)) == 0 then return no_node(nid) end
local rests = touch(bare(get(keys.node(nid), 'tree_id')))
if rests then return rests end
set(keys.node(nid), cjson.decode(ARGV[2]))
emit(bare(get(keys.node(nid), 'session_id')), 'node.updated', node_view(nid))
return { 'ok', nid }
