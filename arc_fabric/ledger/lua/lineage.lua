-- needs: base
-- Ids from a node up to its root. ARGV: node.
local path, nid = {}, ARGV[1]
while nid and redis.call('EXISTS', node_key(nid)) == 1 do
  path[#path + 1] = nid
  nid = bare(get(node_key(nid), 'parent'))
end
return path
