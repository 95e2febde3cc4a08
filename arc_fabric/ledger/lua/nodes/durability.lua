-- needs: base trees quota
-- A payload was stored ("durable"), deleted, or found damaged. ARGV: node, new durability, bytes that were stored
-- (empty: not known; what was expected when the node was committed stays).
local nid, durability = ARGV[1], ARGV[2]
local key = keys.node(nid)
local before = bare(get(key, 'durability'))
if not before then
  local tree = home(nid)
  return tree and asleep(tree) or { 'absent' }
end
local rests = touch(bare(get(key, 'tree_id')))
if rests then return rests end
if ARGV[3] ~= '' then
  count_bytes(bare(redis.call('HGET', key, '_owner')), tonumber(ARGV[3]) - (tonumber(get(key, 'bytes_new')) or 0))
  redis.call('HSET', key, 'bytes_new', ARGV[3])
end
if before ~= durability then
  redis.call('HSET', key, 'durability', quote(durability))
  emit(bare(get(key, 'session_id')), durability == 'durable' and 'node.durable' or 'node.updated', node_view(nid))
end
redis.call('ZREM', keys.PENDING, nid)
return { 'ok', nid }
