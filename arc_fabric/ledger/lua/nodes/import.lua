-- needs: base
-- Nodes and sessions that grew on another installation, all or none. ARGV: nodes (a JSON list of packed fields, parents
-- before children), sessions (the same), "check" = write nothing. What is here already is left as it is. Sessions come
-- closed. Answers: ok, ids of the new nodes, ids of the new sessions.
local nodes, sessions, only_check = cjson.decode(ARGV[1]), cjson.decode(ARGV[2]), ARGV[3] == 'check'
local new_nodes, new_sessions = {}, {}

local coming = {}
for _, fields in ipairs(sessions) do
  local sid = bare(fields.id)
  coming[sid] = true
  if redis.call('EXISTS', keys.session(sid)) == 0 then new_sessions[#new_sessions + 1] = sid end
end

local trees = {}
local function tree_of(nid) return trees[nid] or redis.call('HGET', keys.node(nid), 'tree_id') or nil end

for _, fields in ipairs(nodes) do
  local nid, parent, sid = bare(fields.id), bare(fields.parent), bare(fields.session_id)
  if redis.call('EXISTS', keys.node(nid)) == 1 then
    if get(keys.node(nid), 'parent') ~= fields.parent or tree_of(nid) ~= fields.tree_id then
      return refuse('Conflict', 'Checkpoint ' .. nid .. ' is known here at another place of a tree.', { checkpoint_id = nid })
    end
  else
    local tree = parent and tree_of(parent) or (not parent and quote(nid)) or nil
    if not tree then
      return refuse('InvalidRequest', 'The parent ' .. parent .. ' of checkpoint ' .. nid .. ' is neither here nor among them.',
        { checkpoint_id = nid, parent = parent })
    end
    if tree ~= fields.tree_id then
      return refuse('InvalidRequest', 'Checkpoint ' .. nid .. ' names another tree than its parent.', { checkpoint_id = nid })
    end
    if not coming[sid] and redis.call('EXISTS', keys.session(sid)) == 0 then
      return refuse('InvalidRequest', 'Session ' .. sid .. ' of checkpoint ' .. nid .. ' is neither here nor among them.',
        { checkpoint_id = nid, session_id = sid })
    end
    new_nodes[#new_nodes + 1] = nid
  end
  trees[nid] = fields.tree_id
end
if only_check then return { 'ok', new_nodes, new_sessions } end

for _, fields in ipairs(nodes) do
  local nid, parent, tree = bare(fields.id), bare(fields.parent), bare(fields.tree_id)
  if redis.call('EXISTS', keys.node(nid)) == 0 then
    set(keys.node(nid), fields)
    if parent then redis.call('RPUSH', keys.children(parent), nid) end
    redis.call('ZADD', keys.tree(tree), redis.call('ZCARD', keys.tree(tree)), nid)
    redis.call('ZADD', keys.tree_sessions(tree), 0, bare(fields.session_id))
  end
end
for _, fields in ipairs(sessions) do
  local sid = bare(fields.id)
  if redis.call('EXISTS', keys.session(sid)) == 0 then
    set(keys.session(sid), fields)
    redis.call('ZADD', fields.bulk == 'true' and keys.SESSIONS_BULK or keys.SESSIONS, 0, sid)
    redis.call('ZADD', keys.tree_sessions(bare(fields.tree_id)), 0, sid)
    emit_session(sid, 'session.created')
    redis.call('EXPIRE', keys.session_events(sid), CLOSED_EVENTS_S)
  end
end
return { 'ok', new_nodes, new_sessions }
