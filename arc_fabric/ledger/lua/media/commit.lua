-- needs: base trees quota placement jobs media
-- A media job goes on, ends, or is given back. ARGV: worker, boot, job, done, final state ('' = it goes on, queued = given
-- back), result, error, timings. Answers: ok | ended (cancelled, or another worker has it by now).
local worker, boot, jid, done, final = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key = keys.job(jid)
if final ~= '' and final ~= 'queued' and get(key, 'state') == quote(final) then return { 'ok' } end
if not is_media(jid) or get(key, 'state') ~= '"running"' or bare(get(key, '_boot')) ~= boot then return { 'ended' } end
set(key, { _done = done, progress = progress(tonumber(done), tonumber(get(key, '_total'))) })
if final == '' then
  redis.call('ZADD', keys.MEDIA, now, jid)
  emit_job(jid, 'job.progress')
  return { 'ok' }
end
works_on(worker, nil, nil)
if final == 'queued' then
  file_job(jid, get(key, 'kind'), '"running"', '"queued"')
  set(key, { state = '"queued"', worker = 'null', _boot = 'null', _attempts = '0' })
  send_media(jid, 'its worker was stopped')
  emit_job(jid, 'job.progress')
else
  end_media(jid, final, ARGV[6], ARGV[7], ARGV[8])
end
return { 'ok' }
