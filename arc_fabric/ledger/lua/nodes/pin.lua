-- needs: base trees
-- Pin a node (every worker and collector keeps its payload at hand and whole) or let it go. ARGV: node, true | false,
-- most pinned at once.
local nid, wanted, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local key = keys.node(nid)
if redis.call('EXISTS', key) == 0 then return no_node(nid) end
local rests = touch(bare(get(key, 'tree_id')))
if rests then return rests end
local pinned = redis.call('ZSCORE', keys.PINNED, nid) and 'true' or 'false'
if pinned == wanted then return { 'ok', nid } end
if wanted == 'true' then
  local durability = bare(get(key, 'durability'))
  if durability == 'deleted' or durability == 'damaged' then
    return refuse('CheckpointUnavailable', 'The payload of ' .. nid .. ' is ' .. durability .. '.',
      { checkpoint_id = nid, durability = durability })
  end
  local count = redis.call('ZCARD', keys.PINNED)
  if count >= most then
    return refuse('PinLimitReached', count .. ' checkpoints are pinned; the limit is ' .. most .. '.',
      { pinned = redis.call('ZRANGE', keys.PINNED, 0, -1), limit = most })
  end
  redis.call('ZADD', keys.PINNED, now, nid)
else
  redis.call('ZREM', keys.PINNED, nid)
end
redis.call('HSET', key, 'pinned', wanted)
emit(bare(get(key, 'session_id')), 'node.updated', node_view(nid))
return { 'ok', nid }
