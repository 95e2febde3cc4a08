-- needs: base placement jobs media
-- Cancel a job. It ends here and now; a worker that is computing a step of it learns so at its commit and drops
-- that step. ARGV: job.
local jid = ARGV[1]
local state = get(job_key(jid), 'state')
if state == 'null' then return refuse('JobNotFound', 'No job ' .. jid .. '.', { job_id = jid }) end
if is_media(jid) then
  end_media(jid, 'cancelled', 'null', cancelled('The job was cancelled.'))
elseif state == '"queued"' or state == '"running"' then
  local sid = bare(get(job_key(jid), 'session_id'))
  finish(sid, jid, 'cancelled', 'null', cancelled('The job was cancelled.'))
  if redis.call('EXISTS', session_key(sid)) == 1 then emit_session(sid, 'session.updated') end
end
return { 'ok', jid }
