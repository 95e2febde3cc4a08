-- needs: base trees quota placement jobs
-- Close the sessions whose client gave no sign of life for as long as its lease says. ARGV: most at once, seconds without
-- a look after which every lease has its full time again (Redis was away: nobody could be heard). Answers with those closed.
local heard = redis.call('HMGET', keys.CLIENTS_HEARD, 'last', 'since')
local last, since = tonumber(heard[1] or nil), tonumber(heard[2] or nil)
if not last or now_s - last > tonumber(ARGV[2]) then since = now_s end
redis.call('HSET', keys.CLIENTS_HEARD, 'last', now, 'since', string.format('%.6f', since))
local closed = {}
for _, sid in ipairs(redis.call('ZRANGEBYSCORE', keys.CLIENT_LEASES, '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local session = load(keys.session(sid))
  local lease_s = tonumber(session.lease_s or nil)
  if session.state ~= '"open"' or not lease_s then
    redis.call('ZREM', keys.CLIENT_LEASES, sid)
  elseif now_s - since < lease_s then
    redis.call('ZADD', keys.CLIENT_LEASES, string.format('%.3f', since + lease_s), sid)
  else
    redis.call('HSET', keys.session(sid), '_lapsed', now)
    close_session(sid, session, 'The session was closed: its client gave no sign of life for ' .. session.lease_s .. ' s.')
    closed[#closed + 1] = sid
  end
end
return closed
