-- needs: base
-- A task of the broker's queue that is refused: its message goes, a failed job's record stays. ARGV: list and text of the
-- message, job, packed job fields, task id ('' = unknown), digest. A task that comes twice is refused once.
local list, raw, jid, task, digest = ARGV[1], ARGV[2], ARGV[3], ARGV[5], ARGV[6]
redis.call('LREM', list, -1, raw)
if redis.call('EXISTS', keys.job(jid)) == 1 then return { 'ok', jid } end
if task ~= '' then
  local known = redis.call('HMGET', keys.refused(task), 'job', 'digest')
  if known[1] and known[2] == digest then return { 'replayed', known[1] } end
  redis.call('HSET', keys.refused(task), 'job', jid, 'digest', digest)
  redis.call('EXPIRE', keys.refused(task), keys.IDEMPOTENCY_S)
end
local job = cjson.decode(ARGV[4])
job.state, job.created, job.finished = '"failed"', now, now
job.progress = '{"done":0,"total":1}'
set(keys.job(jid), job)
redis.call('ZADD', keys.JOBS, 0, jid)
file_job(jid, job.kind, nil, job.state)
local sid = bare(job.session_id)
if redis.call('EXISTS', keys.session(sid)) == 1 then
  redis.call('ZADD', keys.session_jobs(sid), 0, jid)
else
  sid = nil
end
emit(sid, 'job.finished', shown(job))
return { 'ok', jid }
