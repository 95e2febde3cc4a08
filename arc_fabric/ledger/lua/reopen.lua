-- needs: base placement jobs
-- Open a closed session again. ARGV: session, max open sessions.
local sid, limit = ARGV[1], tonumber(ARGV[2])
local key = session_key(sid)
local state = get(key, 'state')
if state == 'null' then return refuse('SessionNotFound', 'No session ' .. sid .. '.', { session_id = sid }) end
if state == '"open"' then return { 'ok', sid } end
if get(key, 'head') == 'null' then
  return refuse('SessionClosed', 'Session ' .. sid .. ' was never made: it has no root.', { session_id = sid })
end
local open = redis.call('SCARD', 'arc:sessions:open')
if open >= limit then
  return refuse('SessionLimitReached', open .. ' sessions are open; the limit is ' .. limit .. '.',
    { open = open, limit = limit })
end
set(key, { state = '"open"', updated = now, bulk = 'false' })
redis.call('SADD', 'arc:sessions:open', sid)
redis.call('ZADD', 'arc:sessions', 0, sid)
redis.call('ZREM', 'arc:sessions:bulk', sid)
redis.call('PERSIST', 'arc:events:' .. sid)
emit_session(sid, 'session.updated')
return { 'ok', sid }
