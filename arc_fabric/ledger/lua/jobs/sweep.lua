-- needs: base placement jobs
-- The reaper's round: note dead workers, give their sessions to live ones, find work whose ticket was lost.
-- ARGV: affinity bound, seconds without a sign of life before a ticket counts as lost, most silent sessions to look at.
-- Answers with the jobs to send tickets for.
local bound, timeout, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local resend = {}

-- One ticket, for the first job; the others follow it (see follow()).
local function send_again(sid, name, reason)
  local jid = redis.call('LINDEX', keys.mailbox(sid), 0)
  route(jid, name, reason, get(keys.session(sid), '_epoch'))
  resend[#resend + 1] = jid
  redis.call('ZADD', keys.BUSY, now, sid)
end

local function move(sid, former)
  local name, boot, reason = place(sid, nil, nil, bound)
  if name then reason = 'moved: ' .. former .. ' is gone' end
  local session, length = load(keys.session(sid)), redis.call('LLEN', keys.mailbox(sid))
  own(sid, name, boot, session)
  change(keys.session(sid), session, { running_job = 'null', queued = queued(length) })
  if length > 0 then send_again(sid, name, reason) end
  emit_session(sid, 'session.updated', session)
end

for _, worker in ipairs(redis.call('SMEMBERS', keys.WORKERS)) do
  local boot = live_boot(worker)
  local state = get(keys.worker(worker), 'state')
  if not boot and state ~= '"down"' and state ~= '"starting"' then
    set(keys.worker(worker), { state = '"down"', current_job = 'null', current_session = 'null' })
    emit(nil, 'worker.down', view(keys.worker(worker)))
  end
  for _, sid in ipairs(redis.call('SMEMBERS', keys.owned(worker))) do
    if bare(get(keys.session(sid), '_boot')) ~= boot then move(sid, worker) end
  end
end

local function owner_works_on_it(sid, owner)
  return owner and bare(get(keys.worker(owner), 'current_session')) == sid
end

-- Whether the ticket of a job that nobody runs may still be on its way. Interactive tickets are served first, so one that
-- is not in its queue is lost, whatever its worker does; bulk ones wait until there is nothing else to do.
local function may_come(head, owner)
  local queue = bare(get(keys.job(head), '_queue')) or 'interactive'
  if get(keys.job(head), 'bulk') ~= 'true' then return redis.call('LLEN', queue) > 0 end
  return queue_length(queue) > 0 or (owner and get(keys.worker(owner), 'current_job') ~= 'null')
end

local quiet = redis.call('ZRANGEBYSCORE', keys.BUSY, '-inf', now_s - timeout, 'LIMIT', 0, most)
for _, sid in ipairs(quiet) do
  local session = keys.session(sid)
  local head = redis.call('LINDEX', keys.mailbox(sid), 0)
  local owner = bare(get(session, 'worker'))
  if not head then
    redis.call('ZREM', keys.BUSY, sid)
  elseif not owner_works_on_it(sid, owner) and not may_come(head, owner) then
    local resends = tonumber(redis.call('HGET', session, '_resends') or '0')
    local last = tonumber(redis.call('ZSCORE', keys.BUSY, sid))
    if now_s - last >= math.min(timeout * 2 ^ resends, 60) then
      redis.call('HINCRBY', session, '_resends', 1)
      send_again(sid, owner, 'sent again: the first ticket was lost')
    end
  end
end
return resend
