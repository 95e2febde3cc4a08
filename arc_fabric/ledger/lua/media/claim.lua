-- needs: base trees quota placement jobs media
-- A media worker holds a ticket. ARGV: worker, boot, job, lease ms, attempts allowed. Answers: run, job | done | fenced.
local worker, boot, jid, allowed = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[5])
local key = keys.job(jid)
if not is_media(jid) or not unfinished(get(key, 'state')) then return { 'done' } end
local lease = live_boot(worker)
if lease and lease ~= boot then return { 'fenced' } end
if not lease then lives(worker, boot, tonumber(ARGV[4])) end
local holder, holder_boot = bare(get(key, 'worker')), bare(get(key, '_boot'))
if get(key, 'state') == '"running"' and holder_boot ~= boot and owner_alive(holder, holder_boot) then return { 'done' } end
local function fail(kind, message)
  end_media(jid, 'failed', 'null', '{"type":"' .. kind .. '","message":' .. cjson.encode(message)
    .. ',"what_to_do":"Ask for a shorter part, or another format.","context":{}}')
  return { 'done' }
end
if tonumber(redis.call('HGET', key, '_deadlines') or '0') >= 2 then
  return fail('DeadlineExceeded', 'This job stood still twice; its worker was restarted.')
end
if tonumber(redis.call('HGET', key, '_attempts') or '0') >= allowed then
  return fail('ServiceError', 'Workers died ' .. allowed .. ' times in a row while running this job.')
end
redis.call('HINCRBY', key, '_attempts', 1)
local first = get(key, 'started') == 'null'
file_job(jid, get(key, 'kind'), get(key, 'state'), '"running"')
set(key, { state = '"running"', worker = quote(worker), _boot = quote(boot), _done = '0' })
if first then redis.call('HSET', key, 'started', now) end
redis.call('ZADD', keys.MEDIA, now, jid)
works_on(worker, jid, bare(get(key, 'session_id')))
emit_job(jid, first and 'job.started' or 'job.progress')
return { 'run', whole(load(keys.job(jid))) }
