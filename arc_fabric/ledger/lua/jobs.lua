-- Life of a job record: accepted into a mailbox, finished out of it.
local function progress(done, total) return '{"done":' .. done .. ',"total":' .. total .. '}' end

local function count_queued(sid)
  local length = redis.call('LLEN', mailbox_key(sid))
  if get(session_key(sid), 'running_job') ~= 'null' then length = length - 1 end
  redis.call('HSET', session_key(sid), 'queued', tostring(math.max(length, 0)))
end

-- Answer of an earlier request with the same key, or nil.
local function replay(idempotency, digest)
  if idempotency == '' then return nil end
  local known = redis.call('HMGET', 'arc:idem:' .. idempotency, 'job', 'digest')
  if not known[1] then return nil end
  if known[2] ~= digest then
    return refuse('IdempotencyMismatch', 'This Idempotency-Key was used for another request.', { job = known[1] })
  end
  return { 'replayed', known[1] }
end

local function accept(sid, jid, fields, idempotency, digest, name, reason, bulk)
  local session, key = session_key(sid), job_key(jid)
  local total = tonumber(fields._total)
  fields.state, fields.created = '"queued"', now
  fields.seq = tostring(redis.call('HINCRBY', session, '_seq', 1))
  fields.progress = progress(0, total)
  set(key, fields)
  route(jid, name, reason, bulk, redis.call('HGET', session, '_epoch') or '0')
  redis.call('RPUSH', mailbox_key(sid), jid)
  redis.call('ZADD', 'arc:jobs', 0, jid)
  redis.call('ZADD', 'arc:session:' .. sid .. ':jobs', 0, jid)
  redis.call('SADD', 'arc:jobs:active', jid)
  redis.call('ZADD', 'arc:busy', now, sid)
  redis.call('HINCRBY', session, '_pending', total)
  count_queued(sid)
  if idempotency ~= '' then
    redis.call('HSET', 'arc:idem:' .. idempotency, 'job', jid, 'digest', digest)
    redis.call('EXPIRE', 'arc:idem:' .. idempotency, IDEMPOTENCY_S)
  end
  -- Whoever waits for the job reads the session's stream from here on.
  redis.call('HSET', key, '_event', quote(emit_job(jid, 'job.queued')))
end

local function too_many(max_total, sid, max_session)
  local total = redis.call('SCARD', 'arc:jobs:active')
  if total >= max_total then
    return refuse('TooManyJobs', total .. ' jobs are unfinished; the limit is ' .. max_total .. '.',
      { unfinished = total, limit = max_total, retry_after = 5 })
  end
  if sid then
    local own_jobs = redis.call('LLEN', mailbox_key(sid))
    if own_jobs >= max_session then
      return refuse('TooManyJobs', 'The session has ' .. own_jobs .. ' unfinished jobs; the limit is '
        .. max_session .. '.', { unfinished = own_jobs, limit = max_session, retry_after = 2 })
    end
  end
  return nil
end

-- The result of a job that made steps: its own fields and the list of the steps.
local function with_steps(jid, result)
  local steps = redis.call('LRANGE', job_key(jid) .. ':steps', 0, -1)
  if #steps == 0 then return result end
  local joined = '"steps":[' .. table.concat(steps, ',') .. ']'
  if result == 'null' or result == '{}' then return '{' .. joined .. '}' end
  return string.sub(result, 1, -2) .. ',' .. joined .. '}'
end

local close_session

local function finish(sid, jid, state, result, error, timings)
  local key, session = job_key(jid), session_key(sid)
  local started = get(key, 'started')
  local created = tonumber(get(key, 'created'))
  local queued_s = (started ~= 'null' and tonumber(started) or now_s) - created
  local run_s = started ~= 'null' and (now_s - tonumber(started)) or 0
  local measured = '"queued_s":' .. string.format('%.6f', queued_s) .. ',"run_s":' .. string.format('%.6f', run_s)
  if timings and timings ~= '{}' then measured = measured .. ',' .. string.sub(timings, 2, -2) end
  local total, done = tonumber(get(key, '_total')), tonumber(get(key, '_done'))
  set(key, { state = quote(state), finished = now, result = with_steps(jid, result), error = error,
    timings = '{' .. measured .. '}', progress = progress(state == 'succeeded' and total or done, total) })
  redis.call('LREM', mailbox_key(sid), 1, jid)
  redis.call('SREM', 'arc:jobs:active', jid)
  redis.call('EXPIRE', key, RECORD_S)
  redis.call('EXPIRE', key .. ':steps', RECORD_S)
  if bare(get(session, 'running_job')) == jid then redis.call('HSET', session, 'running_job', 'null') end
  if redis.call('LLEN', mailbox_key(sid)) == 0 then
    redis.call('HSET', session, '_pending', '0')
    redis.call('ZREM', 'arc:busy', sid)
  else
    redis.call('HINCRBY', session, '_pending', done - total)
    redis.call('ZADD', 'arc:busy', now, sid)
  end
  count_queued(sid)
  emit_job(jid, 'job.finished')
  -- A session without a root never existed for its user; a bulk fork is over with its only job.
  local kind = get(key, 'kind')
  if (kind == '"create"' and state ~= 'succeeded') or (kind == '"fork"' and get(session, 'bulk') == 'true') then
    close_session(sid)
  end
end

local function cancelled(why)
  return '{"type":"Cancelled","message":' .. cjson.encode(why) .. ',"what_to_do":"","context":{}}'
end

close_session = function(sid)
  local key = session_key(sid)
  if get(key, 'state') == '"closed"' then return end
  set(key, { state = '"closed"', updated = now })
  for _, jid in ipairs(redis.call('LRANGE', mailbox_key(sid), 0, -1)) do
    finish(sid, jid, 'cancelled', 'null', cancelled('The session was closed.'))
  end
  redis.call('SREM', 'arc:sessions:open', sid)
  local owner = bare(get(key, 'worker'))
  if owner then redis.call('SREM', owned_key(owner), sid) end
  set(key, { worker = 'null', _boot = 'null' })
  redis.call('HINCRBY', key, '_epoch', 1)
  emit_session(sid, 'session.closed')
  redis.call('EXPIRE', 'arc:events:' .. sid, RECORD_S)
end
