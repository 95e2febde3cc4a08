-- needs: base
-- Change what may change on a node (Nodes.update names it). ARGV: node, packed fields.
local nid = ARGV[1]
if redis.call('EXISTS', keys.node(nid)) == 0 then
  return refuse('NodeNotFound', 'No node ' .. nid .. '.', { checkpoint_id = nid })
end
set(keys.node(nid), cjson.decode(ARGV[2]))
emit(bare(get(keys.node(nid), 'session_id')), 'node.updated', node_view(nid))
return { 'ok', nid }
