-- needs: base trees quota placement jobs
-- Further jobs for a worker that runs one which may step together with others: the oldest that wait at the same place of
-- their window, and of those only this worker's share, so that the others find work, too. Each is claimed by itself, as
-- claim.lua does. A job whose worker was lost before it committed anything runs alone: it may be what killed it.
-- ARGV: worker, boot, running job, most. Answers: a job and its session, and so on.
local worker, boot, first, most = ARGV[1], ARGV[2], load(keys.job(ARGV[3])), tonumber(ARGV[4])
-- Asked again for the same job (the answer was lost), it answers with the same ones.
local found = {}
if live_boot(worker) ~= boot or not first._mates or first.state ~= '"running"' then return found end
if tonumber(first._attempts) > 1 or first._deadlines then return found end

local function answer(record, session)
  found[#found + 1] = whole(record)
  found[#found + 1] = whole(session)
end

if first._took then
  for _, jid in ipairs(cjson.decode(first._took)) do
    local record = load(keys.job(jid))
    local session = load(keys.session(bare(record.session_id)))
    if record.state == '"running"' and bare(session._boot) == boot then answer(record, session) end
  end
  return found
end

local set = keys.mates(bare(first._mates))
local workers = math.max(1, redis.call('ZCARD', keys.SERVING))
local share = math.min(most, math.ceil((redis.call('ZCARD', set) + 1) / workers) - 1)

local function ours_to_take(session)
  local owner, owner_boot = bare(session.worker), bare(session._boot)
  return (owner == worker and owner_boot == boot) or not owner_alive(owner, owner_boot)
end

local taken = {}
local function take(jid)
  local record = load(keys.job(jid))
  if not unfinished(record.state) then return redis.call('ZREM', set, jid) end
  local sid = bare(record.session_id)
  local session = load(keys.session(sid))
  local clean = tonumber(record._attempts or '0') == 0 and not record._deadlines and record.if_head == 'null'
  if not clean or redis.call('LINDEX', keys.mailbox(sid), 0) ~= jid or not ours_to_take(session) then return end
  own(sid, worker, boot, session)
  -- Its ticket is sent on to us by whoever gets it, so that monitors see it end as the job does.
  change(keys.job(jid), record, {
    placement = '{"worker":' .. quote(worker) .. ',"reason":' .. quote('steps together with ' .. ARGV[3]) .. '}',
  })
  begin(sid, session, jid, record, worker)
  taken[#taken + 1] = jid
  answer(record, session)
end

-- Jobs that cannot be taken now stay in the set; a few of them are passed over.
for _, jid in ipairs(redis.call('ZRANGE', set, 0, 4 * most)) do
  if #taken >= share then break end
  if jid ~= ARGV[3] then take(jid) end
end
if #taken > 0 then redis.call('HSET', keys.job(ARGV[3]), '_took', cjson.encode(taken)) end
return found
