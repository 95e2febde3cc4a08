-- needs: base trees
-- Show a staged import in slices: from the first on it is decided, and whoever comes goes on with it (keys.PUBLISHING). Nodes
-- come first, then who follows whom and the trees, then the sessions. ARGV: its token, seconds that it must have left to be
-- begun, records at most. Answers: ok | more | again (it was staged too long ago: nothing is changed).
local token, most = ARGV[1], tonumber(ARGV[3])
local function staged(key) return keys.staged(token .. ':' .. key) end
local function due(name, count) return redis.call('LRANGE', staged(name), 0, count - 1) end
local function taken(name, count) return redis.call('LPOP', staged(name), count) or {} end

-- Touch each of these trees once; what `touch` says where one of them cannot be changed now.
local function touch_all(trees)
  local seen = {}
  for _, tree in ipairs(trees) do
    local rests = not seen[tree] and touch(tree)
    if rests then return rests end
    seen[tree] = true
  end
  return nil
end

-- The trees of what this slice shows: it may be a while since the first.
local function trees_due()
  local trees = {}
  local function add(key, nid)
    local tree = redis.call('HGET', staged(key), 'tree_id') or redis.call('HGET', key, 'tree_id')
    trees[#trees + 1] = tree and bare(tree) or (nid and home(nid))
  end
  local nodes = due('nodes', most)
  for _, nid in ipairs(nodes) do add(keys.node(nid), nid) end
  if #nodes > 0 then return trees end
  local joins, grows = due('joins', 2 * most), due('grows', 2 * most)
  for i = 2, #joins, 2 do add(keys.node(joins[i]), joins[i]) end
  for i = 1, #grows, 2 do trees[#trees + 1] = grows[i] end
  if #joins + #grows > 0 then return trees end
  for _, sid in ipairs(due('sessions', most)) do add(keys.session(sid)) end
  return trees
end

if redis.call('EXISTS', staged('done')) == 1 then return { 'ok' } end
local begun = redis.call('SISMEMBER', keys.PUBLISHING, token) == 1
local first = redis.call('LINDEX', staged('nodes'), 0)
first = first and keys.node(first) or redis.call('LINDEX', staged('sessions'), 0)
if not begun and (not first or redis.call('TTL', staged('parts')) < tonumber(ARGV[2])) then return { 'again' } end
local rests = touch_all(begun and trees_due() or redis.call('SMEMBERS', staged('trees')))
if rests then return rests end
redis.call('SADD', keys.PUBLISHING, token)

-- What was staged under another name gets its own, unless it is here already: this slice was begun before.
local function show(key)
  if redis.call('EXISTS', staged(key)) == 1 then redis.call('RENAME', staged(key), key) end
  redis.call('PERSIST', key)
end

local nodes = taken('nodes', most)
for _, nid in ipairs(nodes) do show(keys.node(nid)) end
if #nodes > 0 then return { 'more' } end
local joins = taken('joins', 2 * most)
for i = 1, #joins, 2 do
  redis.call('LREM', keys.children(joins[i]), 1, joins[i + 1])
  redis.call('RPUSH', keys.children(joins[i]), joins[i + 1])
end
local grows = taken('grows', 2 * most)
for i = 1, #grows, 2 do
  redis.call('ZADD', keys.tree(grows[i]), 'NX', redis.call('ZCARD', keys.tree(grows[i])), grows[i + 1])
end
if #joins + #grows > 0 then return { 'more' } end
local sessions = taken('sessions', most)
for _, sid in ipairs(sessions) do
  show(keys.session(sid))
  local bulk = redis.call('HGET', keys.session(sid), 'bulk') == 'true'
  redis.call('ZADD', bulk and keys.SESSIONS_BULK or keys.SESSIONS, 0, sid)
  emit_session(sid, 'session.created')
  redis.call('EXPIRE', keys.session_events(sid), CLOSED_EVENTS_S)
end
if #sessions > 0 then return { 'more' } end
redis.call('DEL', staged('parts'), staged('trees'))
redis.call('SET', staged('done'), 1, 'EX', 3600)
redis.call('SREM', keys.PUBLISHING, token)
return { 'ok' }
