-- Which worker a session belongs to. A worker is live while its lease holds its boot id. What workers have to do is
-- counted as it changes and never added up here: keys.work(name) has the steps that each session of a worker waits for
-- (bulk work gives way and is not in it), `_load` of its record their sum, and keys.SERVING ranks the workers by it.
-- audit.lua compares all of this with the records.
local function live_boot(name)
  return redis.call('GET', keys.lease(name)) or nil
end

local function owner_alive(name, boot)
  return name ~= nil and boot ~= nil and live_boot(name) == boot
end

-- Steps still to do on a worker for sessions other than sid.
local function waiting(name, sid)
  local own = redis.call('ZSCORE', keys.work(name), sid)
  return tonumber(redis.call('HGET', keys.worker(name), '_load') or '0') - tonumber(own or '0')
end

-- The order of workers: by steps waiting, then by sessions owned; the set itself goes on by name.
local function weight(name, sid)
  return waiting(name, sid) * 1000000 + math.min(redis.call('SCARD', keys.owned(name)), 999999)
end

-- Where a worker stands now; one that does not serve stays out.
local function rank(name) redis.call('ZADD', keys.SERVING, 'XX', string.format('%.0f', weight(name, '')), name) end

-- How many steps a session gives its worker to do (nil: it has no work).
local function burden(name, sid, steps)
  local before = tonumber(redis.call('ZSCORE', keys.work(name), sid) or nil)
  if steps == before then return end
  if steps then redis.call('ZADD', keys.work(name), steps, sid) else redis.call('ZREM', keys.work(name), sid) end
  redis.call('HINCRBY', keys.worker(name), '_load', (steps or 0) - (before or 0))
  rank(name)
end

-- The steps that a session (loaded) gives a worker to do, nil where it gives none.
local function steps_of(sid, session)
  if session.bulk == 'true' or redis.call('EXISTS', keys.mailbox(sid)) == 0 then return nil end
  return tonumber(session._pending or '0')
end

local function weigh(sid, session)
  local name = bare(session.worker)
  if name then burden(name, sid, steps_of(sid, session)) end
end

-- A worker takes work from now on (its record is written), for as long as it renews its lease.
local function lives(name, boot, lease_ms)
  redis.call('SET', keys.lease(name), boot, 'PX', lease_ms)
  redis.call('ZADD', keys.ALIVE, string.format('%.3f', now_s + lease_ms / 1000), name)
  local facts = redis.call('HMGET', keys.worker(name), 'role', 'state', 'sick')
  redis.call(facts[3] and facts[3] ~= '{}' and 'SADD' or 'SREM', keys.SICK, name)
  if facts[1] == '"media"' then
    redis.call('ZADD', keys.MEDIA_WORKERS, 0, name)
  elseif facts[2] ~= '"draining"' then
    redis.call('ZADD', keys.SERVING, string.format('%.0f', weight(name, '')), name)
  end
end

-- The boot id of a worker that takes sessions, or nil.
local function serves(name)
  local fields = redis.call('HMGET', keys.worker(name), 'role', 'state')
  return fields[1] == '"gpu"' and fields[2] ~= '"draining"' and live_boot(name) or nil
end

-- Name and boot of the worker, other than `but`, that has the least to do. Whoever does not serve any more leaves the
-- ranks here; its next heartbeat would bring it back.
local function least_loaded(but)
  local stale = true
  while stale do
    stale = false
    for _, name in ipairs(redis.call('ZRANGE', keys.SERVING, 0, 1)) do
      local boot = name ~= but and serves(name)
      if boot then return name, boot end
      if name ~= but then
        redis.call('ZREM', keys.SERVING, name)
        stale = true
      end
    end
  end
  return nil
end

-- What a worker does from now on (nil: nothing). A draining worker stays draining.
local function works_on(name, jid, sid)
  local key = keys.worker(name)
  local fields = { current_job = quote(jid), current_session = quote(sid) }
  if get(key, 'state') ~= '"draining"' then fields.state = jid and '"busy"' or '"idle"' end
  set(key, fields)
end

-- Returns name, boot, reason; name is nil when no worker is up.
local function place(sid, owner, boot, bound)
  local owner_boot = owner and serves(owner)
  if owner_boot and (boot == nil or boot == owner_boot) then
    local load = waiting(owner, sid)
    if load <= bound then return owner, owner_boot, 'holds the state' end
    local idle, idle_boot = least_loaded(owner)
    if idle and waiting(idle, sid) == 0 then
      return idle, idle_boot, 'moved: ' .. owner .. ' has ' .. load .. ' steps waiting, ' .. idle .. ' is idle'
    end
    return owner, owner_boot, 'holds the state; ' .. load .. ' steps wait there and no other worker is idle'
  end
  local name, found = least_loaded(owner)
  -- A worker that was started again: what the session itself waits for is no load for it.
  if owner_boot and (not name or weight(owner, sid) <= weight(name, sid)) then name, found = owner, owner_boot end
  if not name then return nil, nil, 'no worker is up: the job waits for the next one' end
  return name, found, owner and 'moved: ' .. owner .. ' is gone' or 'least loaded'
end

-- A change of owner is a new epoch: whatever the former owner still computes is refused at its commit.
-- `record` is the session, loaded.
local function own(sid, name, boot, record)
  local former = bare(record.worker)
  if former == name and bare(record._boot) == boot then return end
  if former then redis.call('SREM', keys.owned(former), sid) end
  if name then redis.call('SADD', keys.owned(name), sid) end
  change(keys.session(sid), record, {
    worker = quote(name), _boot = quote(boot), _epoch = tostring(tonumber(record._epoch or '0') + 1),
  })
  if former and former ~= name then
    burden(former, sid, nil)
    rank(former)
  end
  if name then
    weigh(sid, record)
    rank(name)
  end
end

-- The fields of a job that route its next ticket: to the owner's queue, or to a shared one where nobody owns the session.
local function routed(name, reason, bulk, epoch)
  local queue, priority = name or (bulk and 'bulk' or 'interactive'), 0
  if bulk then priority = name and 3 or 6 end
  return {
    placement = '{"worker":' .. quote(name) .. ',"reason":' .. cjson.encode(reason) .. '}',
    _queue = quote(queue), _priority = tostring(priority), _sent = tostring(epoch), _sent_at = now,
  }
end

local function route(jid, name, reason, epoch)
  set(keys.job(jid), routed(name, reason, get(keys.job(jid), 'bulk') == 'true', epoch))
end

-- After a change of owner only the first job of a mailbox gets a new ticket at once (all of them, at every change, would
-- flood the queues). The others follow one by one: the job to send a ticket for, or nil. `session` is loaded.
local function follow(sid, session)
  local jid = redis.call('LINDEX', keys.mailbox(sid), 0)
  local epoch = session._epoch or '0'
  if not jid or get(keys.job(jid), '_sent') == epoch then return nil end
  route(jid, bare(session.worker), 'follows its predecessor', epoch)
  return jid
end

-- The list that kombu keeps for one priority (a step: 0, 3, 6 or 9) of a queue.
local function list_of(queue, priority) return priority == '0' and queue or queue .. keys.PRIORITY_MARK .. priority end

local function queue_length(queue)
  local sum = 0
  for _, step in ipairs({ '0', '3', '6', '9' }) do sum = sum + redis.call('LLEN', list_of(queue, step)) end
  return sum
end

-- `text` with `word` wherever `mark` stands. Found plainly: a pattern would be tried at each character.
local function filled(text, mark, word)
  local parts, from = {}, 1
  local at, to = string.find(text, mark, from, true)
  while at do
    parts[#parts + 1], parts[#parts + 2] = string.sub(text, from, at - 1), word
    from = to + 1
    at, to = string.find(text, mark, from, true)
  end
  parts[#parts + 1] = string.sub(text, from)
  return table.concat(parts)
end

-- Sends a routed job's ticket, a message of the broker ('' = whoever asks for the job sends it). In it <queue> and
-- "<priority>" stand for where the job goes.
local function send(job, ticket)
  if ticket == '' then return end
  local queue, priority = bare(job._queue), job._priority
  local addressed = filled(filled(ticket, '<queue>', queue), '"<priority>"', priority)
  redis.call('LPUSH', list_of(queue, priority), addressed)
end
