-- Media jobs (clips): job records like all others, done by a media worker. They have no place in a session's mailbox and
-- need no lease of the session: what they read never changes, and what they write is named by what is in it.
-- arc:media holds the unfinished ones by the time of their last sign of life, arc:media:<target> the job that makes it.
local function media_key(target) return 'arc:media:' .. target end

local function is_media(jid) return redis.call('ZSCORE', 'arc:media', jid) ~= false end

local function emit_job(jid, kind)
  local job = load(job_key(jid))
  return emit(bare(job.session_id), kind, shown(job))
end

local function unfinished(jid)
  local state = get(job_key(jid), 'state')
  return state == '"queued"' or state == '"running"'
end

local function media_worker()
  for _, name in ipairs(redis.call('SMEMBERS', 'arc:workers')) do
    if get(worker_key(name), 'role') == '"media"' and live_boot(name) then return name end
  end
  return nil
end

local function send_media(jid, reason)
  local name = media_worker()
  if not name then reason = 'no media worker is up: the job waits for the next one' end
  set(job_key(jid), {
    placement = '{"worker":' .. quote(name) .. ',"reason":' .. cjson.encode(reason) .. '}',
    _queue = '"media"', _priority = '0', _sent_at = now,
  })
  redis.call('ZADD', 'arc:media', now, jid)
end

local function end_media(jid, state, result, error, timings)
  local key = job_key(jid)
  local started, created = get(key, 'started'), tonumber(get(key, 'created'))
  local begun = started ~= 'null' and tonumber(started) or now_s
  local measured = '"queued_s":' .. string.format('%.6f', begun - created)
    .. ',"run_s":' .. string.format('%.6f', now_s - begun)
  if timings and timings ~= '{}' then measured = measured .. ',' .. string.sub(timings, 2, -2) end
  local total = tonumber(get(key, '_total'))
  local done = state == 'succeeded' and total or tonumber(get(key, '_done'))
  set(key, { state = quote(state), finished = now, result = result, error = error,
    timings = '{' .. measured .. '}', progress = progress(done, total) })
  redis.call('ZREM', 'arc:media', jid)
  redis.call('DEL', media_key(bare(get(key, '_target'))))
  redis.call('SREM', 'arc:jobs:active', jid)
  emit_job(jid, 'job.finished')
end
