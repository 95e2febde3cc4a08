-- needs: base trees
-- Ids from a node up to its root. ARGV: node.
local path, nid = {}, ARGV[1]
while nid and redis.call('EXISTS', keys.node(nid)) == 1 do
  path[#path + 1] = nid
  nid = bare(get(keys.node(nid), 'parent'))
end
local tree = nid and home(nid)
return tree and asleep(tree) or path
