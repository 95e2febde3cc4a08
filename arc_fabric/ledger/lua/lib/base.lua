-- Shared helpers. Every field of a record hash is a JSON text (see codec.py), so ids are stored with quotes:
-- quote() and bare() go between the two, and a record's JSON view is its visible fields joined.
local EVENTS_KEPT, SESSION_EVENTS_KEPT, CLOSED_EVENTS_KEPT, CLOSED_EVENTS_S = 20000, 5000, 200, 86400

local function quote(id) return id and ('"' .. id .. '"') or 'null' end

local function bare(text)
  if not text or text == 'null' then return nil end
  return string.sub(text, 2, -2)
end

-- What time it is, for every script: the server's time, or what a test says (see Core).
local function time()
  if KEYS[1] then return KEYS[1] end
  local clock = redis.call('TIME')
  return clock[1] .. '.' .. string.format('%06d', tonumber(clock[2]))
end

local now = time()
local now_s = tonumber(now)


local function get(key, field) return redis.call('HGET', key, field) or 'null' end

local function set(key, fields)
  local flat = {}
  for field, text in pairs(fields) do
    flat[#flat + 1] = field
    flat[#flat + 1] = text
  end
  if #flat > 0 then redis.call('HSET', key, unpack(flat)) end
end

-- A whole record in one read: field -> text. change() keeps such a copy and the hash in step.
local function load(key)
  local stored, record = redis.call('HGETALL', key), {}
  for i = 1, #stored, 2 do record[stored[i]] = stored[i + 1] end
  return record
end

local function change(key, record, fields)
  set(key, fields)
  for field, text in pairs(fields) do record[field] = text end
end

-- Kept at hand for shown(), which turns hundreds of times per job: it takes two thirds of the time that way.
local byte, concat = string.byte, table.concat

-- Members that never change and may be long: an event leaves them out, and whoever reads it takes them from the record.
local LEFT_OUT = { actions = true, params = true }
local SHORT = 64

-- A record as JSON: the view that everybody sees; (whole) with the internal fields, for a ledger to decode; or (brief) as
-- events have it.
local function shown(record, extra, whole, brief)
  local parts, n = {}, 0
  for field, text in pairs(record) do
    if (whole or byte(field) ~= 95) and not (brief and LEFT_OUT[field] and #text > SHORT) then
      n = n + 1
      parts[n] = '"' .. field .. '":' .. text
    end
  end
  parts[n + 1] = extra
  return '{' .. concat(parts, ',') .. '}'
end

local function whole(record) return shown(record, nil, true) end
local function told(record, extra) return shown(record, extra, false, true) end
local function view(key, extra) return shown(load(key), extra) end

-- A node as events have it.
local function node_view(nid)
  local ids = redis.call('LRANGE', keys.children(nid), 0, -1)
  for i, id in ipairs(ids) do ids[i] = quote(id) end
  return told(load(keys.node(nid)), '"children":[' .. table.concat(ids, ',') .. ']')
end

-- The session's stream gets the id of the global one, so one last_id serves both.
local function emit(sid, kind, data)
  local id = redis.call('XADD', keys.EVENTS, 'MAXLEN', '~', EVENTS_KEPT, '*',
    'session_id', sid or '', 'kind', kind, 'time', now, 'data', data)
  if sid then
    redis.call('XADD', keys.session_events(sid), 'MAXLEN', '~', SESSION_EVENTS_KEPT, id,
      'session_id', sid, 'kind', kind, 'time', now, 'data', data)
  end
  return id
end

local function emit_session(sid, kind, record)
  emit(sid, kind, record and shown(record) or view(keys.session(sid)))
end

-- Whether a job in this state may still change; `state` is what its record says (nil or null: there is no such job).
local function unfinished(state) return state ~= nil and state ~= 'null' and not TERMINAL[state] end

-- Jobs are listed by state and kind, given as records have them: a job goes from the list of one state to another's.
local function file_job(jid, kind, before, after)
  if before == after then return end
  if before then redis.call('ZREM', keys.jobs_in(bare(before) .. ':' .. bare(kind)), jid) end
  if after then redis.call('ZADD', keys.jobs_in(bare(after) .. ':' .. bare(kind)), 0, jid) end
end

local function refuse(error, message, context)
  return { 'error', error, message, cjson.encode(context or {}) }
end

-- Answer of an earlier request with the same key, or nil.
local function replay(idempotency, digest)
  if idempotency == '' then return nil end
  local known = redis.call('HMGET', keys.idempotency(idempotency), 'job', 'digest')
  if not known[1] then return nil end
  if known[2] ~= digest then
    return refuse('IdempotencyMismatch', 'This Idempotency-Key was used for another request.', { job = known[1] })
  end
  return { 'replayed', known[1] }
end

-- The same key is answered with this job, or evaluation, from here on.
local function remember(idempotency, digest, id)
  if idempotency == '' then return end
  redis.call('HSET', keys.idempotency(idempotency), 'job', id, 'digest', digest)
  redis.call('EXPIRE', keys.idempotency(idempotency), keys.IDEMPOTENCY_S)
end
