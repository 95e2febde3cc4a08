-- needs: base trees
-- Show a staged import, whole: renames its records, so that Redis stands still for a few microseconds per node. ARGV: its
-- token, seconds that it must have left to be kept. Answers: ok | again (it was staged too long ago: nothing is changed).
local token = ARGV[1]
local function staged(key) return keys.staged(token .. ':' .. key) end
local function all(name) return redis.call('LRANGE', staged(name), 0, -1) end

if redis.call('EXISTS', staged('done')) == 1 then return { 'ok' } end
local nodes, sessions, joins, grows = all('nodes'), all('sessions'), all('joins'), all('grows')
local first = nodes[1] and keys.node(nodes[1]) or sessions[1] and keys.session(sessions[1])
if not first or redis.call('TTL', staged(first)) < tonumber(ARGV[2]) then return { 'again' } end

local function tree_of_staged(nid) return bare(redis.call('HGET', staged(keys.node(nid)), 'tree_id')) end

local trees = {}
for _, nid in ipairs(nodes) do trees[tree_of_staged(nid)] = true end
for tree in pairs(trees) do
  local rests = touch(tree)
  if rests then return rests end
end

local function show(key)
  redis.call('RENAME', staged(key), key)
  redis.call('PERSIST', key)
end

for _, nid in ipairs(nodes) do show(keys.node(nid)) end
for i = 1, #joins, 2 do redis.call('RPUSH', keys.children(joins[i]), joins[i + 1]) end
for i = 1, #grows, 2 do
  redis.call('ZADD', keys.tree(grows[i]), redis.call('ZCARD', keys.tree(grows[i])), grows[i + 1])
end
for _, sid in ipairs(sessions) do
  show(keys.session(sid))
  local bulk = redis.call('HGET', keys.session(sid), 'bulk') == 'true'
  redis.call('ZADD', bulk and keys.SESSIONS_BULK or keys.SESSIONS, 0, sid)
  emit_session(sid, 'session.created')
  redis.call('EXPIRE', keys.session_events(sid), CLOSED_EVENTS_S)
end
redis.call('DEL', staged('nodes'), staged('sessions'), staged('joins'), staged('grows'), staged('parts'))
redis.call('SET', staged('done'), 1, 'EX', 3600)
return { 'ok' }
