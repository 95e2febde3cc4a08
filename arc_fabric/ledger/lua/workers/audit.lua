-- needs: base placement
-- Compare what is counted and listed about workers (see lib/placement.lua) with the records, and put right what differs.
-- ARGV: worker ('' = none), sessions to look at: those that the worker's lists name, or any. Without sessions: the worker
-- itself, once its sessions were looked at. Answers how many things were put right.
local name, mended = ARGV[1], 0
local function mend() mended = mended + 1 end

for i = 2, #ARGV do
  local sid = ARGV[i]
  local session = load(keys.session(sid))
  local owner = session.state == '"open"' and bare(session.worker) or nil
  if name ~= '' and owner ~= name then
    if redis.call('SREM', keys.owned(name), sid) == 1 then mend() end
    if redis.call('ZSCORE', keys.work(name), sid) then mend() end
    burden(name, sid, nil)
  end
  if owner then
    if redis.call('SADD', keys.owned(owner), sid) == 1 then mend() end
    local steps, listed = steps_of(sid, session), redis.call('ZSCORE', keys.work(owner), sid)
    if steps ~= (listed and tonumber(listed) or nil) then mend() end
    burden(owner, sid, steps)
    rank(owner)
    if not owner_alive(owner, bare(session._boot)) then redis.call('SADD', keys.HOMELESS, sid) end
  end
end

if name ~= '' and #ARGV == 1 then
  local sum, work = 0, redis.call('ZRANGE', keys.work(name), 0, -1, 'WITHSCORES')
  for i = 2, #work, 2 do sum = sum + tonumber(work[i]) end
  if sum ~= tonumber(redis.call('HGET', keys.worker(name), '_load') or '0') then
    redis.call('HSET', keys.worker(name), '_load', string.format('%.0f', sum))
    mend()
  end
  local boot, listed = live_boot(name), redis.call('ZSCORE', keys.ALIVE, name)
  if boot then
    if not listed then mend() end
    lives(name, boot, redis.call('PTTL', keys.lease(name)))
  elseif not listed then
    local state = get(keys.worker(name), 'state')
    if redis.call('SCARD', keys.owned(name)) > 0 or (state ~= '"down"' and state ~= '"starting"') then
      redis.call('ZADD', keys.ALIVE, 0, name) -- the next sweep finds it dead
      mend()
    end
  end
end
return { mended }
