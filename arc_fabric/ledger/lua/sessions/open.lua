-- needs: base trees quota placement jobs
-- A new session and its first job (create or fork). ARGV: session, packed session fields, job, packed job fields,
-- idempotency key, digest, source checkpoint ('' = create), max open sessions, max jobs in all, affinity bound,
-- result ('' = a worker does the job; else that of a job which has nothing left to do: it ends here), quotas (JSON, '' =
-- none), ticket ('' = the caller sends it).
local sid, jid, idempotency, digest, source = ARGV[1], ARGV[3], ARGV[5], ARGV[6], ARGV[7]
if redis.call('EXISTS', keys.job(jid)) == 1 then return { 'ok', jid } end
local again = replay(idempotency, digest)
if again then return again end
local fields = cjson.decode(ARGV[2])
local bulk = fields.bulk == 'true'
local prefer
if source ~= '' then
  local node = redis.call('HMGET', keys.node(source), 'durability', 'tree_id', 'frame_index', 'prompt', 'seed',
    'session_id', 'n_frames', 'model_settings')
  if not node[1] then return no_node(source, 'CheckpointNotFound', 'checkpoint') end
  if node[1] == '"deleted"' or node[1] == '"damaged"' then
    return refuse('CheckpointUnavailable', 'The payload of ' .. source .. ' is ' .. bare(node[1]) .. '.',
      { checkpoint_id = source, durability = bare(node[1]) })
  end
  local rests = touch(bare(node[2]))
  if rests then return rests end
  local parent = bare(node[6])
  fields.head, fields.parent_checkpoint = quote(source), quote(source)
  fields.root, fields.tree_id = node[2], node[2]
  fields.frame_index, fields.forked_at = node[3], node[3]
  fields.parent_session = quote(parent)
  fields.n_frames = tostring(1 + tonumber(node[3]) * tonumber(node[7])) -- base/frames.py: frame_count
  if fields.prompt == 'null' then fields.prompt = node[4] end
  if fields.seed == 'null' then fields.seed = node[5] end
  if fields.model_settings == 'null' then fields.model_settings = node[8] or '{}' end
  local inherited = redis.call('HMGET', keys.session(parent), 'model', 'embodiment_id', '_owner')
  if fields._owner == 'null' then fields._owner = inherited[3] or nil end
  fields.model, fields.embodiment_id = inherited[1] or 'null', inherited[2] or '0'
  prefer = fields._spread ~= 'true' and bare(get(keys.session(parent), 'worker')) or nil
end
if fields._owner == 'null' then fields._owner = nil end
local owner = bare(fields._owner)
local over = over_quota(owner, ARGV[12], not bulk)
if over then return over end
if not bulk then
  local open, limit = redis.call('SCARD', keys.SESSIONS_OPEN), tonumber(ARGV[8])
  if open >= limit then
    return refuse('SessionLimitReached', open .. ' sessions are open; the limit is ' .. limit .. '.',
      { open = open, limit = limit })
  end
end
local full = too_many(tonumber(ARGV[9]), nil, nil)
if full then return full end
local name, boot, reason = nil, nil, 'bulk: the first free worker'
if not bulk then
  name, boot, reason = place(sid, prefer, nil, tonumber(ARGV[10]))
  if prefer and name == prefer then reason = 'the parent\'s state is there' end
end
fields.created, fields.updated, fields.state = now, now, '"open"'
set(keys.session(sid), fields)
own(sid, name, boot, fields)
redis.call('ZADD', bulk and keys.SESSIONS_BULK or keys.SESSIONS, 0, sid)
if not bulk then
  redis.call('SADD', keys.SESSIONS_OPEN, sid)
  count_open(owner, sid)
end
renew_client(sid, fields)
if source ~= '' then
  redis.call('ZADD', keys.tree_sessions(bare(fields.tree_id)), 0, sid)
end
emit_session(sid, 'session.created', fields)
local job = accept(sid, fields, jid, cjson.decode(ARGV[4]), idempotency, digest, name, reason, bulk)
if ARGV[11] == '' then
  send(job, ARGV[13])
else
  file_job(jid, job.kind, job.state, '"running"')
  change(keys.job(jid), job, { state = '"running"', started = now })
  emit(sid, 'job.started', told(job))
  finish(sid, fields, jid, job, 'succeeded', ARGV[11], 'null')
  emit_session(sid, 'session.updated', fields)
end
return { 'ok', jid, whole(job), whole(fields) }
