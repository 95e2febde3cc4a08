-- needs: base trees quota placement jobs
-- A worker holds a ticket: what may it run? ARGV: worker, boot, ticket's job, lease ms, attempts allowed.
-- Answers: done (+ a job that needs a ticket now, or '', and how the ticket's job ended) | fenced | elsewhere (+ the job to forward, or '') | run, job, session.
local worker, boot, ticket, lease_ms, allowed = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local job = load(keys.job(ticket))
if not job.state then return { 'done', '' } end
local sid = bare(job.session_id)
local session = load(keys.session(sid))
if not unfinished(job.state) then return { 'done', follow(sid, session) or '', bare(job.state) } end
local lease = live_boot(worker)
if lease and lease ~= boot then return { 'fenced' } end
if not lease then lives(worker, boot, tonumber(lease_ms)) end

local owner, owner_boot = bare(session.worker), bare(session._boot)
if owner ~= worker or owner_boot ~= boot then
  if owner_alive(owner, owner_boot) then
    if job._sent == session._epoch then return { 'elsewhere', '' } end
    route(ticket, owner, 'forwarded: ' .. owner .. ' holds the state', session._epoch)
    return { 'elsewhere', ticket }
  end
  own(sid, worker, boot, session)
end

local function fail(jid, record, error, message, context)
  finish(sid, session, jid, record, 'failed', 'null', '{"type":"' .. error .. '","message":' .. cjson.encode(message)
    .. ',"what_to_do":"","context":' .. context .. '}')
end

local function may_start(jid, record)
  if record.if_head ~= 'null' and record.if_head ~= session.head and record._done == '0' then
    fail(jid, record, 'HeadMoved', 'The session moved before this job\'s turn: its head is another one than if_head.',
      '{"head":' .. session.head .. ',"if_head":' .. record.if_head .. '}')
    return false
  end
  if tonumber(record._deadlines or '0') >= 2 then
    fail(jid, record, 'DeadlineExceeded', 'A step of this job ran into the hard limit twice; its worker was restarted.', '{}')
    return false
  end
  if tonumber(record._attempts or '0') >= allowed then
    fail(jid, record, 'ServiceError', 'Workers died ' .. allowed .. ' times in a row while running this job.', '{}')
    return false
  end
  return true
end

-- The first job of the mailbox that may start; jobs before it that may not have failed.
local function first()
  while true do
    local jid = redis.call('LINDEX', keys.mailbox(sid), 0)
    if not jid then return nil end
    local record = jid == ticket and job or load(keys.job(jid))
    if may_start(jid, record) then return jid, record end
  end
end

local jid, record = first()
if not jid or not unfinished(job.state) then return { 'done', follow(sid, session) or '', bare(job.state) } end

begin(sid, session, jid, record, worker)
works_on(worker, jid, sid)
return { 'run', whole(record), whole(session) }
