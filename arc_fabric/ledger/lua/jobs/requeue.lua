-- needs: base trees quota placement jobs
-- Before a step a job gives way to other work; its next ticket goes where its session belongs by now.
-- ARGV: worker, boot, session, running job, epoch, affinity bound, job whose ticket this is, attempts from here on ('' = as is).
-- Answers: ok, the ticket's job | ended.
local worker, boot, sid, jid, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local session = load(keys.session(sid))
if session._epoch ~= epoch or get(keys.job(jid), 'state') ~= '"running"' then return { 'ended' } end
if ARGV[8] ~= '' then redis.call('HSET', keys.job(jid), '_attempts', ARGV[8]) end
local name, new_boot, reason = place(sid, worker, boot, tonumber(ARGV[6]))
own(sid, name, new_boot, session)
local ticket = ARGV[7]
route(ticket, name, reason, session._epoch)
redis.call('ZADD', keys.BUSY, now, sid)
waits(sid, session, jid, load(keys.job(jid)))
works_on(worker, nil, nil)
return { 'ok', whole(load(keys.job(ticket))) }
