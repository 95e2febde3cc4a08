-- needs: base placement jobs
-- A job for an existing session. ARGV: session, job, packed job fields, idempotency key, digest, if_head ('' = none),
-- max jobs per session, max jobs in all, affinity bound.
local sid, jid, packed, idempotency, digest, if_head = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if redis.call('EXISTS', job_key(jid)) == 1 then return { 'ok', jid } end
local again = replay(idempotency, digest)
if again then return again end
local key = session_key(sid)
local state = get(key, 'state')
if state == 'null' then return refuse('SessionNotFound', 'No session ' .. sid .. '.', { session_id = sid }) end
if state == '"closed"' then
  return refuse('SessionClosed', 'Session ' .. sid .. ' is closed.', { session_id = sid })
end
local head = bare(get(key, 'head'))
if if_head ~= '' and head ~= if_head then
  return refuse('HeadMoved', 'The head is ' .. (head or 'not made yet') .. ', not ' .. if_head .. '.',
    { session_id = sid, head = head, if_head = if_head })
end
local full = too_many(tonumber(ARGV[8]), sid, tonumber(ARGV[7]))
if full then return full end
local fields = cjson.decode(packed)
local bulk = fields.bulk == 'true'
local owner, boot = bare(get(key, 'worker')), bare(get(key, '_boot'))
local name, reason = owner, 'holds the state'
-- While the session has work its owner stays: moving it now would only throw a running step away.
if redis.call('LLEN', mailbox_key(sid)) == 0 or not owner_alive(owner, boot) then
  local new_boot
  name, new_boot, reason = place(sid, owner, boot, tonumber(ARGV[9]))
  own(sid, name, new_boot)
end
accept(sid, jid, fields, idempotency, digest, name, reason, bulk)
return { 'ok', jid, redis.call('HGETALL', job_key(jid)) }
