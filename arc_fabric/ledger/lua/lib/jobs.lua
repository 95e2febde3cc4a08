-- Life of a job record: accepted into a mailbox, finished out of it.
local function progress(done, total) return '{"done":' .. done .. ',"total":' .. total .. '}' end

-- Jobs that wait, of `length` in the mailbox.
local function queued(length, running_job)
  return tostring(math.max(running_job ~= nil and running_job ~= 'null' and length - 1 or length, 0))
end

-- A job that may step together with others waits in the set of those whose heads stand at the same place of their window.
local function waits(sid, session, jid, record)
  local at = record._batch and redis.call('HMGET', keys.node(bare(session.head)), 'frame_index', 'window_start')
  if not at or not at[1] then return end
  local step = tonumber(at[1])
  local which = bare(record._batch) .. ':' .. string.format('%d', step - (tonumber(at[2] or nil) or step))
  change(keys.job(jid), record, { _mates = quote(which) })
  redis.call('ZADD', keys.mates(which), 0, jid)
end

local function waits_no_more(jid, record)
  if record._mates then redis.call('ZREM', keys.mates(bare(record._mates)), jid) end
end

-- A job of a worker's session runs from now on. Both are loaded.
local function begin(sid, session, jid, record, worker)
  local started = record.started == 'null'
  local fields = { state = '"running"', worker = quote(worker), _attempts = tostring(tonumber(record._attempts or '0') + 1) }
  if started then fields.started = now end
  waits_no_more(jid, record)
  if record._took then redis.call('HDEL', keys.job(jid), '_took') end
  file_job(jid, record.kind, record.state, fields.state)
  change(keys.job(jid), record, fields)
  local length = redis.call('LLEN', keys.mailbox(sid))
  change(keys.session(sid), session, { running_job = quote(jid), queued = queued(length, quote(jid)) })
  redis.call('ZADD', keys.BUSY, now, sid)
  if session._resends then redis.call('HDEL', keys.session(sid), '_resends') end
  if started then emit(sid, 'job.started', told(record)) end
end

-- Append a job to its session (loaded); returns the job's record.
local function accept(sid, session, jid, job, idempotency, digest, name, reason, bulk)
  local key, seq = keys.job(jid), tonumber(session._seq or '0') + 1
  job.state, job.created, job.seq = '"queued"', now, tostring(seq)
  job.progress = progress(0, tonumber(job._total))
  for field, text in pairs(routed(name, reason, bulk, session._epoch or '0')) do job[field] = text end
  local length = redis.call('RPUSH', keys.mailbox(sid), jid)
  redis.call('ZADD', keys.JOBS, 0, jid)
  redis.call('ZADD', keys.session_jobs(sid), 0, jid)
  redis.call('SADD', keys.JOBS_ACTIVE, jid)
  file_job(jid, job.kind, nil, job.state)
  redis.call('ZADD', keys.BUSY, now, sid)
  change(keys.session(sid), session, {
    _seq = tostring(seq), queued = queued(length, session.running_job),
    _pending = tostring(tonumber(session._pending or '0') + tonumber(job._total)),
  })
  weigh(sid, session)
  remember(idempotency, digest, jid)
  -- Whoever waits for the job reads the session's stream from here on.
  job._event = quote(emit(sid, 'job.queued', told(job)))
  set(key, job)
  waits(sid, session, jid, job)
  return job
end

-- A refusal when all jobs together, or (where it is given) the session's own ones, reach their limit.
local function too_many(max_total, own_jobs, max_session)
  local total = redis.call('SCARD', keys.JOBS_ACTIVE)
  if total >= max_total then
    return refuse('TooManyJobs', total .. ' jobs are unfinished; the limit is ' .. max_total .. '.',
      { unfinished = total, limit = max_total, retry_after = 5 })
  end
  if own_jobs and own_jobs >= max_session then
    return refuse('TooManyJobs', 'The session has ' .. own_jobs .. ' unfinished jobs; the limit is '
      .. max_session .. '.', { unfinished = own_jobs, limit = max_session, retry_after = 2 })
  end
  return nil
end

-- The result of a job that made steps: its own fields and the list of the steps.
local function with_steps(jid, result)
  local steps = redis.call('LRANGE', keys.job_steps(jid), 0, -1)
  if #steps == 0 then return result end
  local joined = '"steps":[' .. table.concat(steps, ',') .. ']'
  if result == 'null' or result == '{}' then return '{' .. joined .. '}' end
  return string.sub(result, 1, -2) .. ',' .. joined .. '}'
end

local close_session

-- End a job. `job` and `session` are loaded; `changes` are further ones of the session.
local function finish(sid, session, jid, job, state, result, error, timings, changes)
  local key, started, created = keys.job(jid), job.started or 'null', tonumber(job.created)
  local queued_s = (started ~= 'null' and tonumber(started) or now_s) - created
  local run_s = started ~= 'null' and (now_s - tonumber(started)) or 0
  local measured = '"queued_s":' .. string.format('%.6f', queued_s) .. ',"run_s":' .. string.format('%.6f', run_s)
  if timings and timings ~= '{}' then measured = measured .. ',' .. string.sub(timings, 2, -2) end
  local total, done = tonumber(job._total), tonumber(job._done)
  waits_no_more(jid, job)
  file_job(jid, job.kind, job.state, quote(state))
  change(key, job, { state = quote(state), finished = now, result = with_steps(jid, result), error = error,
    timings = '{' .. measured .. '}', progress = progress(state == 'succeeded' and total or done, total) })
  redis.call('DEL', keys.job_steps(jid)) -- its result has them
  redis.call('LREM', keys.mailbox(sid), 1, jid)
  redis.call('SREM', keys.JOBS_ACTIVE, jid)
  local left = redis.call('LLEN', keys.mailbox(sid))
  changes = changes or {}
  if bare(session.running_job) == jid then changes.running_job = 'null' end
  changes._pending = '0'
  if left == 0 then
    redis.call('ZREM', keys.BUSY, sid)
  else
    changes._pending = tostring(tonumber(session._pending or '0') + done - total)
    redis.call('ZADD', keys.BUSY, now, sid)
  end
  changes.queued = queued(left, changes.running_job or session.running_job)
  change(keys.session(sid), session, changes)
  weigh(sid, session)
  emit(sid, 'job.finished', told(job))
  -- A session without a root never existed for its user; a bulk fork is over with its only job.
  if (job.kind == '"create"' and state ~= 'succeeded') or (job.kind == '"fork"' and session.bulk == 'true') then
    close_session(sid, session)
  end
end

-- A sign of life of a session's client: its lease, where it has one, begins anew.
local function renew_client(sid, session)
  local lease_s = tonumber(session.lease_s or nil)
  if lease_s then redis.call('ZADD', keys.CLIENT_LEASES, string.format('%.3f', now_s + lease_s), sid) end
end

local function cancelled(why)
  return '{"type":"Cancelled","message":' .. cjson.encode(why) .. ',"what_to_do":"","context":{}}'
end

close_session = function(sid, session, why)
  local key = keys.session(sid)
  if session.state == '"closed"' then return end
  change(key, session, { state = '"closed"', updated = now })
  for _, jid in ipairs(redis.call('LRANGE', keys.mailbox(sid), 0, -1)) do
    finish(sid, session, jid, load(keys.job(jid)), 'cancelled', 'null', cancelled(why or 'The session was closed.'))
  end
  redis.call('SREM', keys.SESSIONS_OPEN, sid)
  redis.call('ZREM', keys.CLIENT_LEASES, sid)
  count_closed(bare(session._owner), sid)
  if bare(session.tree_id) then touch(bare(session.tree_id)) end
  own(sid, nil, nil, session)
  emit_session(sid, 'session.closed', session)
  redis.call('XTRIM', keys.session_events(sid), 'MAXLEN', CLOSED_EVENTS_KEPT)
  redis.call('EXPIRE', keys.session_events(sid), CLOSED_EVENTS_S)
end
