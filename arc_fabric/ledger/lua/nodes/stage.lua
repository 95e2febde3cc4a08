-- needs: base
-- Write a part of an import so that nobody sees it: records lie under other names until publish.lua gives them theirs, and
-- what belongs to new nodes and trees is only looked at through these. ARGV: the import's token, nodes (a JSON list of packed
-- fields, parents before children), sessions (the same), place in its tree of each node, number of the part,
-- seconds to keep it.
local token, places, kept_s = ARGV[1], cjson.decode(ARGV[4]), ARGV[6]
local function staged(key) return keys.staged(token .. ':' .. key) end
if redis.call('SADD', staged('parts'), ARGV[5]) == 0 then return { 'ok' } end -- its answer was lost
redis.call('EXPIRE', staged('parts'), kept_s)

local function list(name, ...)
  redis.call('RPUSH', staged(name), ...)
  redis.call('EXPIRE', staged(name), kept_s)
end

local function lay(key, fields)
  set(staged(key), fields)
  redis.call('EXPIRE', staged(key), kept_s)
end

for i, fields in ipairs(cjson.decode(ARGV[2])) do
  local nid, parent, tree = bare(fields.id), bare(fields.parent), bare(fields.tree_id)
  lay(keys.node(nid), fields)
  list('nodes', nid)
  redis.call('SADD', staged('trees'), tree)
  redis.call('EXPIRE', staged('trees'), kept_s)
  redis.call('DEL', keys.children(nid)) -- an earlier attempt's
  if parent and redis.call('EXISTS', keys.node(parent)) == 1 then
    list('joins', parent, nid)
  elseif parent then
    redis.call('RPUSH', keys.children(parent), nid)
  end
  if redis.call('EXISTS', keys.node(tree)) == 1 then
    list('grows', tree, nid)
  else
    redis.call('ZADD', keys.tree(tree), places[i], nid)
  end
  redis.call('ZADD', keys.tree_sessions(tree), 0, bare(fields.session_id))
end
for _, fields in ipairs(cjson.decode(ARGV[3])) do
  local sid = bare(fields.id)
  lay(keys.session(sid), fields)
  list('sessions', sid)
  redis.call('ZADD', keys.tree_sessions(bare(fields.tree_id)), 0, sid)
end
return { 'ok' }
