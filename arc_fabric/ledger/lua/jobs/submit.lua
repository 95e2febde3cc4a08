-- needs: base trees quota placement jobs
-- A job for an existing session. ARGV: session, job, packed job fields, idempotency key, digest, if_head ('' = none),
-- max jobs per session, max jobs in all, affinity bound, quotas (JSON, '' = none), ticket ('' = the caller sends it).
local sid, jid, packed, idempotency, digest, if_head = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if redis.call('EXISTS', keys.job(jid)) == 1 then return { 'ok', jid } end
local again = replay(idempotency, digest)
if again then return again end
local session = load(keys.session(sid))
if not session.state then return no_session(sid) end
if session.state == '"closed"' then
  local why = session._lapsed and ': its client gave no sign of life for ' .. session.lease_s .. ' s (lease_s)' or ''
  return refuse('SessionClosed', 'Session ' .. sid .. ' is closed' .. why .. '.', { session_id = sid })
end
local head = bare(session.head)
if if_head ~= '' and head ~= if_head then
  return refuse('HeadMoved', 'The head is ' .. (head or 'not made yet') .. ', not ' .. if_head .. '.',
    { session_id = sid, head = head, if_head = if_head })
end
local over = cjson.decode(packed).kind == '"step"' and over_quota(bare(session._owner), ARGV[10], false)
if over then return over end
local waiting_jobs = redis.call('LLEN', keys.mailbox(sid))
local full = too_many(tonumber(ARGV[8]), waiting_jobs, tonumber(ARGV[7]))
if full then return full end
local job = cjson.decode(packed)
local owner, boot = bare(session.worker), bare(session._boot)
local name, reason = owner, 'holds the state'
-- While the session has work its owner stays: moving it now would only throw a running step away.
if waiting_jobs == 0 or not owner_alive(owner, boot) then
  local new_boot
  name, new_boot, reason = place(sid, owner, boot, tonumber(ARGV[9]))
  own(sid, name, new_boot, session)
end
renew_client(sid, session)
accept(sid, session, jid, job, idempotency, digest, name, reason, job.bulk == 'true')
send(job, ARGV[11])
return { 'ok', jid, whole(job) }
