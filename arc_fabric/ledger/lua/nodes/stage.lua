-- needs: base
-- Lay a part of an import down beside what everybody sees; without publish.lua it vanishes after a while. ARGV: the import's
-- token, nodes (a JSON list of packed fields, parents before children), sessions (the same), seconds to keep it.
local token, kept_s = ARGV[1], ARGV[4]
local function staged(key) return keys.staged(token .. ':' .. key) end

local function keep(key)
  if redis.call('TTL', key) < 0 then redis.call('EXPIRE', key, kept_s) end
end

local function list(name, command, ...)
  redis.call(command, staged(name), ...)
  keep(staged(name))
end

for _, fields in ipairs(cjson.decode(ARGV[2])) do
  local nid, parent, tree = bare(fields.id), bare(fields.parent), bare(fields.tree_id)
  list('nodes', 'RPUSH', nid)
  set(staged(keys.node(nid)), fields)
  keep(staged(keys.node(nid)))
  if parent then
    list('parents', 'SADD', parent)
    list(keys.children(parent), 'RPUSH', nid)
  end
  list('trees', 'SADD', tree)
  list(keys.tree(tree), 'ZADD', redis.call('ZCARD', staged(keys.tree(tree))), nid)
  list(keys.tree_sessions(tree), 'ZADD', 0, bare(fields.session_id))
end
for _, fields in ipairs(cjson.decode(ARGV[3])) do
  local sid = bare(fields.id)
  list('sessions', 'RPUSH', sid)
  set(staged(keys.session(sid)), fields)
  keep(staged(keys.session(sid)))
  list('trees', 'SADD', bare(fields.tree_id))
  list(keys.tree_sessions(bare(fields.tree_id)), 'ZADD', 0, sid)
end
return { 'ok' }
