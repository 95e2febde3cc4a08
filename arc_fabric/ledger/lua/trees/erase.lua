-- needs: base quota
-- A slice of what is left of a deleted tree: jobs, sessions, then nodes, whose payloads are unwanted from here on. ARGV: tree,
-- most of each at once. Answers: more | done.
local tree, most = ARGV[1], tonumber(ARGV[2])
if redis.call('SISMEMBER', keys.DOOMED, tree) == 0 then return { 'done' } end

local function erase_jobs(sid, left)
  local ids = redis.call('ZRANGE', keys.session_jobs(sid), 0, left - 1)
  for _, jid in ipairs(ids) do
    local facts = redis.call('HMGET', keys.job(jid), 'kind', 'state')
    if facts[1] then file_job(jid, facts[1], facts[2], nil) end
    redis.call('UNLINK', keys.job(jid), keys.job_steps(jid))
    redis.call('ZREM', keys.JOBS, jid)
    redis.call('SREM', keys.JOBS_ACTIVE, jid)
    redis.call('ZREM', keys.session_jobs(sid), jid)
  end
  return left - #ids
end

local left = most
for _, sid in ipairs(redis.call('ZRANGE', keys.tree_sessions(tree), 0, most - 1)) do
  left = erase_jobs(sid, left)
  if left <= 0 then return { 'more' } end
  redis.call('UNLINK', keys.session(sid), keys.session_events(sid), keys.session_jobs(sid), keys.mailbox(sid))
  redis.call('ZREM', keys.SESSIONS, sid)
  redis.call('ZREM', keys.SESSIONS_BULK, sid)
  redis.call('ZREM', keys.tree_sessions(tree), sid)
end
for _, nid in ipairs(redis.call('ZRANGE', keys.tree(tree), 0, most - 1)) do
  local facts = redis.call('HMGET', keys.node(nid), '_owner', 'bytes_new')
  count_bytes(bare(facts[1]), -(tonumber(facts[2] or '0') or 0))
  redis.call('UNLINK', keys.node(nid), keys.children(nid), keys.framestrip(nid))
  redis.call('ZREM', keys.PENDING, nid)
  redis.call('ZREM', keys.PINNED, nid)
  redis.call('SADD', keys.UNWANTED, nid)
  redis.call('ZREM', keys.tree(tree), nid)
end
if redis.call('EXISTS', keys.tree(tree), keys.tree_sessions(tree)) > 0 then return { 'more' } end
redis.call('SREM', keys.DOOMED, tree)
emit(nil, 'tree.deleted', '{"id":' .. quote(tree) .. '}')
return { 'done' }
