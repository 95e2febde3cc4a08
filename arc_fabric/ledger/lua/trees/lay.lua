-- needs: base trees
-- Put records of a resting tree back; it rests until awake.lua has spoken, so nothing changes them. ARGV: tree, token of the
-- process that brings it back, ms, JSON list of {node, fields, children, place}, JSON list of {session, fields, bulk}.
-- Answers: ok | lost (it took too long, and records may have been dropped again: begin anew).
local tree = ARGV[1]
if redis.call('GET', keys.waking(tree)) ~= ARGV[2] then return { 'lost' } end
redis.call('PEXPIRE', keys.waking(tree), ARGV[3])
redis.call('SADD', keys.DROPPING, tree)
for _, one in ipairs(cjson.decode(ARGV[4])) do
  local nid, fields, children, at = unpack(one)
  set(keys.node(nid), fields)
  redis.call('DEL', keys.children(nid))
  for _, child in ipairs(children) do redis.call('RPUSH', keys.children(nid), child) end
  redis.call('ZADD', keys.tree(tree), at, nid)
  take_home(nid)
end
for _, one in ipairs(cjson.decode(ARGV[5])) do
  local sid, fields, bulk = unpack(one)
  set(keys.session(sid), fields)
  redis.call('ZADD', bulk and keys.SESSIONS_BULK or keys.SESSIONS, 0, sid)
  redis.call('ZREMRANGEBYLEX', bulk and keys.SESSIONS_RESTING_BULK or keys.SESSIONS_RESTING, '[' .. sid, '[' .. sid .. '~')
  redis.call('ZADD', keys.tree_sessions(tree), 0, sid)
end
return { 'ok' }
