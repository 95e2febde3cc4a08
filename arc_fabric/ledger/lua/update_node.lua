-- needs: base
-- Change what may change on a node (label, bookmarked, failed, score). ARGV: node, packed fields.
local nid = ARGV[1]
if redis.call('EXISTS', node_key(nid)) == 0 then
  return refuse('NodeNotFound', 'No node ' .. nid .. '.', { checkpoint_id = nid })
end
set(node_key(nid), cjson.decode(ARGV[2]))
emit(bare(get(node_key(nid), 'session_id')), 'node.updated', node_view(nid))
return { 'ok', nid }
