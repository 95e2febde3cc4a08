-- needs: base trees quota placement jobs
-- A slice of the reaper's round: note dead workers, give their sessions to live ones, find work whose ticket was lost.
-- ARGV: affinity bound, seconds without a sign of life before a ticket counts as lost, most sessions to move or
-- look at. Answers whether there is more to do ('more' or ''), and the jobs to send tickets for.
local bound, timeout, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local DEAD_AT_ONCE, LONGEST_PAUSE_S = 20, 60
local resend = {}

-- One ticket, for the first job; the others follow it (see follow()).
local function send_again(sid, name, reason, pause)
  local jid = redis.call('LINDEX', keys.mailbox(sid), 0)
  route(jid, name, reason, get(keys.session(sid), '_epoch'))
  resend[#resend + 1] = jid
  redis.call('ZADD', keys.BUSY, string.format('%.3f', now_s + pause), sid)
end

local function bury(worker)
  local left = redis.call('PTTL', keys.lease(worker))
  if left > 0 then return redis.call('ZADD', keys.ALIVE, string.format('%.3f', now_s + left / 1000), worker) end
  for _, ranks in ipairs({ keys.ALIVE, keys.SERVING, keys.MEDIA_WORKERS }) do redis.call('ZREM', ranks, worker) end
  redis.call('SREM', keys.SICK, worker)
  redis.call('SUNIONSTORE', keys.HOMELESS, keys.HOMELESS, keys.owned(worker))
  local state = get(keys.worker(worker), 'state')
  if state ~= '"down"' and state ~= '"starting"' then
    set(keys.worker(worker), { state = '"down"', current_job = 'null', current_session = 'null' })
    emit(nil, 'worker.down', view(keys.worker(worker)))
  end
end

local function move(sid, session, former)
  local name, boot, reason = place(sid, former, bare(session._boot), bound)
  local length = redis.call('LLEN', keys.mailbox(sid))
  own(sid, name, boot, session)
  change(keys.session(sid), session, { running_job = 'null', queued = queued(length) })
  if length > 0 then
    send_again(sid, name, reason, 0)
    local jid = redis.call('LINDEX', keys.mailbox(sid), 0)
    waits(sid, session, jid, load(keys.job(jid)))
  end
  emit_session(sid, 'session.updated', session)
end

for _, worker in ipairs(redis.call('ZRANGEBYSCORE', keys.ALIVE, '-inf', now, 'LIMIT', 0, DEAD_AT_ONCE)) do bury(worker) end
for _, sid in ipairs(redis.call('SPOP', keys.HOMELESS, most)) do
  local session = load(keys.session(sid))
  local owner = bare(session.worker)
  if owner and not owner_alive(owner, bare(session._boot)) then move(sid, session, owner) end
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

-- Once nobody is left to move. Whoever is looked at comes to the end of the line: a few per slice, all of them in turn.
local left = redis.call('EXISTS', keys.HOMELESS) == 1 or redis.call('ZCOUNT', keys.ALIVE, '-inf', now) > 0
local due = left and {} or redis.call('ZRANGEBYSCORE', keys.BUSY, '-inf', now_s - timeout, 'LIMIT', 0, most)
for _, sid in ipairs(due) do
  local session = keys.session(sid)
  local head = redis.call('LINDEX', keys.mailbox(sid), 0)
  local owner = bare(get(session, 'worker'))
  if not head then
    redis.call('ZREM', keys.BUSY, sid)
  elseif owner_works_on_it(sid, owner) or may_come(head, owner) then
    redis.call('ZADD', keys.BUSY, now, sid)
  else
    local pause = math.min(timeout * 2 ^ redis.call('HINCRBY', session, '_resends', 1), LONGEST_PAUSE_S)
    send_again(sid, owner, 'sent again: the first ticket was lost', pause - timeout)
  end
end
return { (left or #due == most) and 'more' or '', resend }
