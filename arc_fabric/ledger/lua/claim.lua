-- needs: base placement jobs
-- A worker holds a ticket: what may it run? ARGV: worker, boot, ticket's job, lease ms, attempts allowed.
-- Answers: done (+ a job that needs a ticket now, or '') | fenced | elsewhere (+ the job to forward, or '') | run, job, session.
local worker, boot, ticket, lease_ms, allowed = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local state = get(job_key(ticket), 'state')
if state == 'null' then return { 'done', '' } end
if state ~= '"queued"' and state ~= '"running"' then
  return { 'done', follow(bare(get(job_key(ticket), 'session_id'))) or '' }
end
local lease = live_boot(worker)
if lease and lease ~= boot then return { 'fenced' } end
if not lease then redis.call('SET', lease_key(worker), boot, 'PX', lease_ms) end

local sid = bare(get(job_key(ticket), 'session_id'))
local session = session_key(sid)
local owner, owner_boot = bare(get(session, 'worker')), bare(get(session, '_boot'))
if owner ~= worker or owner_boot ~= boot then
  if owner_alive(owner, owner_boot) then
    local epoch = get(session, '_epoch')
    if get(job_key(ticket), '_sent') == epoch then return { 'elsewhere', '' } end
    route(ticket, owner, 'forwarded: ' .. owner .. ' holds the state', get(job_key(ticket), 'bulk') == 'true', epoch)
    return { 'elsewhere', ticket }
  end
  own(sid, worker, boot)
end

local function fail(jid, error, message, context)
  finish(sid, jid, 'failed', 'null', '{"type":"' .. error .. '","message":' .. cjson.encode(message)
    .. ',"what_to_do":"","context":' .. context .. '}')
end

local function may_start(jid)
  local key = job_key(jid)
  local if_head, head = get(key, 'if_head'), get(session, 'head')
  if if_head ~= 'null' and if_head ~= head and get(key, '_done') == '0' then
    fail(jid, 'HeadMoved', 'The session moved before this job\'s turn: its head is another one than if_head.',
      '{"head":' .. head .. ',"if_head":' .. if_head .. '}')
    return false
  end
  if tonumber(redis.call('HGET', key, '_deadlines') or '0') >= 2 then
    fail(jid, 'DeadlineExceeded', 'A step of this job ran into the hard limit twice; its worker was restarted.', '{}')
    return false
  end
  if tonumber(redis.call('HGET', key, '_attempts') or '0') >= allowed then
    fail(jid, 'ServiceError', 'Workers died ' .. allowed .. ' times in a row while running this job.', '{}')
    return false
  end
  return true
end

local jid = redis.call('LINDEX', mailbox_key(sid), 0)
while jid and not may_start(jid) do jid = redis.call('LINDEX', mailbox_key(sid), 0) end
local ticket_state = get(job_key(ticket), 'state')
if not jid or (ticket_state ~= '"queued"' and ticket_state ~= '"running"') then
  return { 'done', follow(sid) or '' }
end

local key = job_key(jid)
redis.call('HINCRBY', key, '_attempts', 1)
local first = get(key, 'started') == 'null'
set(key, { state = '"running"', worker = quote(worker) })
if first then redis.call('HSET', key, 'started', now) end
redis.call('HSET', session, 'running_job', quote(jid))
count_queued(sid)
redis.call('ZADD', 'arc:busy', now, sid)
redis.call('HDEL', session, '_resends')
works_on(worker, jid, sid)
if first then emit_job(jid, 'job.started') end
return { 'run', redis.call('HGETALL', key), redis.call('HGETALL', session) }
