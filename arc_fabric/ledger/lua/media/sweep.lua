-- needs: base trees quota placement jobs media
-- The reaper's look at media jobs: those whose worker died, and those whose ticket was lost, get a new ticket. ARGV:
-- seconds without a sign of life. Answers with the jobs to send tickets for.
local timeout, resend = tonumber(ARGV[1]), {}
for _, jid in ipairs(redis.call('ZRANGEBYSCORE', keys.MEDIA, '-inf', now_s - timeout, 'LIMIT', 0, 100)) do
  local key = keys.job(jid)
  if not unfinished(get(key, 'state')) then
    redis.call('ZREM', keys.MEDIA, jid)
  elseif get(key, 'state') == '"running"' then
    if not owner_alive(bare(get(key, 'worker')), bare(get(key, '_boot'))) then
      file_job(jid, get(key, 'kind'), '"running"', '"queued"')
      set(key, { state = '"queued"', worker = 'null', _boot = 'null' })
      send_media(jid, 'its worker is gone')
      emit_job(jid, 'job.progress')
      resend[#resend + 1] = jid
    end
  elseif queue_length('media') == 0 then
    local name = media_worker()
    if name and get(keys.worker(name), 'current_job') == 'null' then
      send_media(jid, 'sent again: the first ticket was lost')
      resend[#resend + 1] = jid
    end
  end
end
return resend
