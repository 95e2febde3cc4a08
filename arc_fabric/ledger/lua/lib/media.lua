-- Media jobs (clips): job records like all others, done by a media worker. They have no place in a session's mailbox and
-- need no lease of the session: what they read never changes, and what they write is named by what is in it.
local function is_media(jid) return redis.call('ZSCORE', keys.MEDIA, jid) ~= false end

local function emit_job(jid, kind)
  local job = load(keys.job(jid))
  return emit(bare(job.session_id), kind, told(job))
end

local function media_worker()
  while true do
    local name = redis.call('ZRANGE', keys.MEDIA_WORKERS, 0, 0)[1]
    if not name or live_boot(name) then return name end
    redis.call('ZREM', keys.MEDIA_WORKERS, name)
  end
end

local function send_media(jid, reason)
  local name = media_worker()
  if not name then reason = 'no media worker is up: the job waits for the next one' end
  set(keys.job(jid), {
    placement = '{"worker":' .. quote(name) .. ',"reason":' .. cjson.encode(reason) .. '}',
    _queue = '"media"', _priority = '0', _sent_at = now,
  })
  redis.call('ZADD', keys.MEDIA, now, jid)
end

local function end_media(jid, state, result, error, timings)
  local key = keys.job(jid)
  local started, created = get(key, 'started'), tonumber(get(key, 'created'))
  local begun = started ~= 'null' and tonumber(started) or now_s
  local measured = '"queued_s":' .. string.format('%.6f', begun - created)
    .. ',"run_s":' .. string.format('%.6f', now_s - begun)
  if timings and timings ~= '{}' then measured = measured .. ',' .. string.sub(timings, 2, -2) end
  local total = tonumber(get(key, '_total'))
  local done = state == 'succeeded' and total or tonumber(get(key, '_done'))
  file_job(jid, get(key, 'kind'), get(key, 'state'), quote(state))
  set(key, { state = quote(state), finished = now, result = result, error = error,
    timings = '{' .. measured .. '}', progress = progress(done, total) })
  redis.call('ZREM', keys.MEDIA, jid)
  redis.call('DEL', keys.media_target(bare(get(key, '_target'))))
  redis.call('SREM', keys.JOBS_ACTIVE, jid)
  emit_job(jid, 'job.finished')
end
