-- Which worker a session belongs to. A worker is live while its lease holds its boot id.
local function live_boot(name)
  return redis.call('GET', keys.lease(name)) or nil
end

local function owner_alive(name, boot)
  return name ~= nil and boot ~= nil and live_boot(name) == boot
end

-- Steps still to do on a worker for sessions other than sid. Bulk work gives way, so it does not count.
local function waiting(name, sid)
  local sum = 0
  for _, other in ipairs(redis.call('SMEMBERS', keys.owned(name))) do
    local facts = redis.call('HMGET', keys.session(other), '_pending', 'bulk')
    if other ~= sid and facts[2] ~= 'true' then sum = sum + tonumber(facts[1] or '0') end
  end
  return sum
end

-- The boot id of a worker that takes sessions, or nil.
local function serves(name)
  local fields = redis.call('HMGET', keys.worker(name), 'role', 'state')
  return fields[1] == '"gpu"' and fields[2] ~= '"draining"' and live_boot(name) or nil
end

local function live_gpu_workers()
  local found = {}
  local names = redis.call('SMEMBERS', keys.WORKERS)
  table.sort(names)
  for _, name in ipairs(names) do
    local boot = serves(name)
    if boot then found[#found + 1] = { name = name, boot = boot } end
  end
  return found
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
    for _, w in ipairs(live_gpu_workers()) do
      if w.name ~= owner and waiting(w.name, sid) == 0 then
        return w.name, w.boot, 'moved: ' .. owner .. ' has ' .. load .. ' steps waiting, ' .. w.name .. ' is idle'
      end
    end
    return owner, owner_boot, 'holds the state; ' .. load .. ' steps wait there and no other worker is idle'
  end
  local workers = live_gpu_workers()
  local best, best_sessions, best_load
  for _, w in ipairs(workers) do
    local sessions, load = redis.call('SCARD', keys.owned(w.name)), waiting(w.name, sid)
    if not best or load < best_load or (load == best_load and sessions < best_sessions) then
      best, best_sessions, best_load = w, sessions, load
    end
  end
  if not best then return nil, nil, 'no worker is up: the job waits for the next one' end
  if owner then return best.name, best.boot, 'moved: ' .. owner .. ' is gone' end
  return best.name, best.boot, 'least loaded'
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
