-- needs: base trees quota placement jobs media
-- Cancel a job. It ends here and now; a worker that is computing a step of it learns so at its commit and drops
-- that step. ARGV: job.
local jid = ARGV[1]
local job = load(keys.job(jid))
if not job.state then return refuse('JobNotFound', 'No job ' .. jid .. '.', { job_id = jid }) end
if is_media(jid) then
  end_media(jid, 'cancelled', 'null', cancelled('The job was cancelled.'))
elseif unfinished(job.state) then
  local sid = bare(job.session_id)
  local session = load(keys.session(sid))
  finish(sid, session, jid, job, 'cancelled', 'null', cancelled('The job was cancelled.'))
  emit_session(sid, 'session.updated', session)
end
return { 'ok', jid }
