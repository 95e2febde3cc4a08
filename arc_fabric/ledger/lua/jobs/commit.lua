-- needs: base trees quota placement jobs
-- One effect of a job, whole or not at all. ARGV: worker, boot, session, job, epoch, node ('' = none), packed node,
-- packed session changes, step entry ('' = none), final state ('' = the job goes on), result, error, timings.
-- Answers: ok (+ the session's next job if it needs a ticket, or '') | ended (cancelled or finished already) | fenced.
local worker, boot, sid, jid, epoch, nid = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local step, final, result, error, timings = ARGV[9], ARGV[10], ARGV[11], ARGV[12], ARGV[13]
local session_hash, key = keys.session(sid), keys.job(jid)

if nid ~= '' and redis.call('EXISTS', keys.node(nid)) == 1 then return { 'ok', '' } end
local job = load(key)
if job.state ~= '"running"' then
  if final ~= '' and job.state == quote(final) then return { 'ok', '' } end
  return { 'ended' }
end
local session = load(session_hash)
if session._epoch ~= epoch or bare(session.worker) ~= worker or bare(session._boot) ~= boot
  or redis.call('LINDEX', keys.mailbox(sid), 0) ~= jid then
  return { 'fenced' }
end

if nid ~= '' then
  local node = cjson.decode(ARGV[7])
  node.created, node._owner = now, session._owner
  count_bytes(bare(session._owner), tonumber(node.bytes_new or '0') or 0)
  set(keys.node(nid), node)
  local parent, tree = bare(node.parent), bare(node.tree_id)
  if parent then redis.call('RPUSH', keys.children(parent), nid) end
  redis.call('ZADD', keys.tree(tree), redis.call('ZCARD', keys.tree(tree)), nid)
  redis.call('ZADD', keys.tree_sessions(tree), 0, sid)
  touch(tree)
  if node.durability == '"pending"' then redis.call('ZADD', keys.PENDING, now, nid) end
  emit(sid, 'node.committed', told(node, '"children":[]'))
end
local changes = cjson.decode(ARGV[8])
changes.updated = now
local progressed = { _attempts = '0' }
if step ~= '' then
  redis.call('RPUSH', keys.job_steps(jid), step)
  local done = tonumber(job._done) + 1
  progressed._done, progressed.progress = tostring(done), progress(done, tonumber(job._total))
  session._pending = tostring(tonumber(session._pending or '0') - 1)
  changes._pending = session._pending
end
change(key, job, progressed)
if final ~= '' then
  works_on(worker, nil, nil)
  finish(sid, session, jid, job, final, result, error, timings, changes)
  if job.kind == '"close"' and final == 'succeeded' then close_session(sid, session) end
else
  change(session_hash, session, changes)
  weigh(sid, session)
  redis.call('ZADD', keys.BUSY, now, sid)
  emit(sid, 'job.progress', told(job))
end
emit_session(sid, 'session.updated', session)
return { 'ok', final ~= '' and follow(sid, session) or '' }
