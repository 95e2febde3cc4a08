-- needs: base trees quota placement jobs
-- Open a closed session again. ARGV: session, max open sessions, quotas (JSON, '' = none), seconds of its client's lease
-- ('null' = none; one that is open keeps what it has).
local sid, limit = ARGV[1], tonumber(ARGV[2])
local key = keys.session(sid)
local state = get(key, 'state')
if state == 'null' then return no_session(sid) end
if state == '"open"' then return { 'ok', sid } end
if get(key, 'head') == 'null' then
  return refuse('SessionClosed', 'Session ' .. sid .. ' was never made: it has no root.', { session_id = sid })
end
local rests = touch(bare(get(key, 'tree_id')))
if rests then return rests end
local open = redis.call('SCARD', keys.SESSIONS_OPEN)
if open >= limit then
  return refuse('SessionLimitReached', open .. ' sessions are open; the limit is ' .. limit .. '.',
    { open = open, limit = limit })
end
local owner = bare(get(key, '_owner'))
local over = over_quota(owner, ARGV[3], true)
if over then return over end
count_open(owner, sid)
set(key, { state = '"open"', updated = now, bulk = 'false', lease_s = ARGV[4] })
renew_client(sid, { lease_s = ARGV[4] })
redis.call('HDEL', key, '_lapsed')
redis.call('SADD', keys.SESSIONS_OPEN, sid)
redis.call('ZADD', keys.SESSIONS, 0, sid)
redis.call('ZREM', keys.SESSIONS_BULK, sid)
redis.call('PERSIST', keys.session_events(sid))
emit_session(sid, 'session.updated')
return { 'ok', sid }
