-- Which worker a session belongs to. A worker is live while arc:lease:<name> holds its boot id.
local function live_boot(name)
  return redis.call('GET', lease_key(name)) or nil
end

local function owner_alive(name, boot)
  return name ~= nil and boot ~= nil and live_boot(name) == boot
end

-- Steps still to do on a worker for sessions other than sid. Bulk work gives way, so it does not count.
local function waiting(name, sid)
  local sum = 0
  for _, other in ipairs(redis.call('SMEMBERS', owned_key(name))) do
    local facts = redis.call('HMGET', session_key(other), '_pending', 'bulk')
    if other ~= sid and facts[2] ~= 'true' then sum = sum + tonumber(facts[1] or '0') end
  end
  return sum
end

local function live_gpu_workers()
  local found = {}
  local names = redis.call('SMEMBERS', 'arc:workers')
  table.sort(names)
  for _, name in ipairs(names) do
    local fields = redis.call('HMGET', worker_key(name), 'role', 'state')
    local boot = live_boot(name)
    if boot and fields[1] == '"gpu"' and fields[2] ~= '"draining"' then
      found[#found + 1] = { name = name, boot = boot }
    end
  end
  return found
end

-- What a worker does from now on (nil: nothing). A draining worker stays draining.
local function works_on(name, jid, sid)
  local key = worker_key(name)
  set(key, { current_job = quote(jid), current_session = quote(sid) })
  if get(key, 'state') ~= '"draining"' then redis.call('HSET', key, 'state', jid and '"busy"' or '"idle"') end
end

-- Returns name, boot, reason; name is nil when no worker is up.
local function place(sid, owner, boot, bound)
  local workers = live_gpu_workers()
  local owner_serves = false
  for _, w in ipairs(workers) do
    if w.name == owner and (boot == nil or w.boot == boot) then owner_serves, boot = true, w.boot end
  end
  if owner_serves then
    local load = waiting(owner, sid)
    if load <= bound then return owner, boot, 'holds the state' end
    for _, w in ipairs(workers) do
      if w.name ~= owner and waiting(w.name, sid) == 0 then
        return w.name, w.boot, 'moved: ' .. owner .. ' has ' .. load .. ' steps waiting, ' .. w.name .. ' is idle'
      end
    end
    return owner, boot, 'holds the state; ' .. load .. ' steps wait there and no other worker is idle'
  end
  local best, best_sessions, best_load
  for _, w in ipairs(workers) do
    local sessions, load = redis.call('SCARD', owned_key(w.name)), waiting(w.name, sid)
    if not best or load < best_load or (load == best_load and sessions < best_sessions) then
      best, best_sessions, best_load = w, sessions, load
    end
  end
  if not best then return nil, nil, 'no worker is up: the job waits for the next one' end
  if owner then return best.name, best.boot, 'moved: ' .. owner .. ' is gone' end
  return best.name, best.boot, 'least loaded'
end

-- A change of owner is a new epoch: whatever the former owner still computes is refused at its commit.
local function own(sid, name, boot)
  local key = session_key(sid)
  local former = bare(get(key, 'worker'))
  if former == name and bare(get(key, '_boot')) == boot then return end
  if former then redis.call('SREM', owned_key(former), sid) end
  if name then redis.call('SADD', owned_key(name), sid) end
  redis.call('HINCRBY', key, '_epoch', 1)
  set(key, { worker = quote(name), _boot = quote(boot) })
end

-- Route a job's next ticket: the owner's queue, or a shared one where nobody owns the session.
local function route(jid, name, reason, bulk, epoch)
  local queue, priority = name or (bulk and 'bulk' or 'interactive'), 0
  if bulk then priority = name and 3 or 6 end
  set(job_key(jid), {
    placement = '{"worker":' .. quote(name) .. ',"reason":' .. cjson.encode(reason) .. '}',
    _queue = quote(queue), _priority = tostring(priority), _sent = tostring(epoch), _sent_at = now,
  })
end

-- After a change of owner only the first job of a mailbox gets a new ticket at once (all of them, at every change, would
-- flood the queues). The others follow one by one: the job to send a ticket for, or nil.
local function follow(sid)
  local jid = redis.call('LINDEX', mailbox_key(sid), 0)
  local epoch = get(session_key(sid), '_epoch')
  if not jid or get(job_key(jid), '_sent') == epoch then return nil end
  route(jid, bare(get(session_key(sid), 'worker')), 'follows its predecessor', get(job_key(jid), 'bulk') == 'true', epoch)
  return jid
end

local function queue_length(queue)
  local sum = redis.call('LLEN', queue)
  for _, step in ipairs({ '3', '6', '9' }) do sum = sum + redis.call('LLEN', queue .. '\6\22' .. step) end
  return sum
end
