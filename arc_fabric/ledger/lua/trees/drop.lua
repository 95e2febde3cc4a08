-- needs: base trees
-- Drop records of a tree that rests. ARGV: tree, token, JSON list of nodes, JSON list of sessions, each an id followed by
-- what stays of it, and whether they are bulk (two lists). Answers: ok | stop (it does not rest so any more, or comes back).
local tree, number = ARGV[1], redis.call('ZSCORE', keys.RESTING, ARGV[1])
local row = redis.call('HGET', keys.RESTING_ROWS, tree)
if not number or cjson.decode(row).token ~= ARGV[2] or redis.call('EXISTS', keys.waking(tree)) == 1 then return { 'stop' } end
for _, nid in ipairs(cjson.decode(ARGV[3])) do
  give_home(nid, number)
  redis.call('UNLINK', keys.node(nid), keys.children(nid))
  redis.call('ZREM', keys.tree(tree), nid)
end
for i, lists in ipairs({ { keys.SESSIONS, keys.SESSIONS_RESTING }, { keys.SESSIONS_BULK, keys.SESSIONS_RESTING_BULK } }) do
  for _, kept in ipairs(cjson.decode(ARGV[3 + i])) do
    local sid = string.sub(kept, 1, ID)
    redis.call('ZREM', lists[1], sid)
    redis.call('ZADD', lists[2], 0, kept)
    redis.call('UNLINK', keys.session(sid))
    redis.call('ZREM', keys.tree_sessions(tree), sid)
  end
end
if redis.call('EXISTS', keys.tree(tree), keys.tree_sessions(tree)) == 0 then redis.call('SREM', keys.DROPPING, tree) end
return { 'ok' }
