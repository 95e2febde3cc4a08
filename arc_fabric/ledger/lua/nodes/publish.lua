-- needs: base
-- Show a staged import, whole. ARGV: its token, seconds that it must have left to be kept. Renames what stage.lua wrote, so
-- that Redis stands still for a few microseconds per node. Answers: ok | again (some of it came by another way meanwhile, or
-- it was staged too long ago: nothing is changed).
local token = ARGV[1]
local function staged(key) return keys.staged(token .. ':' .. key) end

if redis.call('EXISTS', staged('done')) == 1 then return { 'ok' } end
local nodes = redis.call('LRANGE', staged('nodes'), 0, -1)
local sessions = redis.call('LRANGE', staged('sessions'), 0, -1)
for _, name in ipairs({ #nodes > 0 and 'nodes' or 'sessions', #sessions > 0 and 'sessions' or 'nodes' }) do
  if redis.call('TTL', staged(name)) < tonumber(ARGV[2]) then return { 'again' } end
end
for _, nid in ipairs(nodes) do
  if redis.call('EXISTS', keys.node(nid)) == 1 then return { 'again' } end
end
for _, sid in ipairs(sessions) do
  if redis.call('EXISTS', keys.session(sid)) == 1 then return { 'again' } end
end

local function show(key)
  redis.call('RENAME', staged(key), key)
  redis.call('PERSIST', key)
end

-- To what is here already the staged part is added.
local function add(key, more)
  if redis.call('EXISTS', staged(key)) == 0 then return end
  if redis.call('EXISTS', key) == 0 then return show(key) end
  more(key, staged(key))
  redis.call('DEL', staged(key))
end

local function children(key, new)
  for _, nid in ipairs(redis.call('LRANGE', new, 0, -1)) do redis.call('RPUSH', key, nid) end
end

local function members(key, new)
  for _, nid in ipairs(redis.call('ZRANGE', new, 0, -1)) do redis.call('ZADD', key, redis.call('ZCARD', key), nid) end
end

for _, nid in ipairs(nodes) do show(keys.node(nid)) end
for _, parent in ipairs(redis.call('SMEMBERS', staged('parents'))) do add(keys.children(parent), children) end
for _, tree in ipairs(redis.call('SMEMBERS', staged('trees'))) do
  add(keys.tree(tree), members)
  add(keys.tree_sessions(tree), function(key, new) redis.call('ZUNIONSTORE', key, 2, key, new) end)
end
for _, sid in ipairs(sessions) do
  show(keys.session(sid))
  local bulk = redis.call('HGET', keys.session(sid), 'bulk') == 'true'
  redis.call('ZADD', bulk and keys.SESSIONS_BULK or keys.SESSIONS, 0, sid)
  emit_session(sid, 'session.created')
  redis.call('EXPIRE', keys.session_events(sid), CLOSED_EVENTS_S)
end
redis.call('DEL', staged('nodes'), staged('sessions'), staged('parents'), staged('trees'))
redis.call('SET', staged('done'), 1, 'EX', 3600)
return { 'ok' }
