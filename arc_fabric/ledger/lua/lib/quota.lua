-- What the holders of tokens have, counted as it changes: open sessions, and bytes that their sessions stored. `_owner` of a
-- session and of its nodes is the token's name; a fork that nobody is named for is its parent's owner's.
local function count_bytes(owner, more)
  if not owner or more == 0 then return end
  redis.call('SADD', keys.OWNERS, owner)
  redis.call('INCRBY', keys.owner_bytes(owner), string.format('%.0f', more))
end

local function count_open(owner, sid)
  if not owner then return end
  redis.call('SADD', keys.OWNERS, owner)
  redis.call('SADD', keys.owner_open(owner), sid)
end

local function count_closed(owner, sid)
  if owner then redis.call('SREM', keys.owner_open(owner), sid) end
end

-- A refusal where an owner has as much as it may. `quotas`: JSON of {name: {sessions, bytes}}, '' = none; `opens`: whether
-- this opens a session that takes a slot.
local function over_quota(owner, quotas, opens)
  if not owner or quotas == '' then return nil end
  local known = cjson.decode(quotas)
  local quota = known[owner] or known['*']
  if not quota then return nil end
  local used = tonumber(redis.call('GET', keys.owner_bytes(owner)) or '0')
  if type(quota.bytes) == 'number' and used >= quota.bytes then
    return refuse('StorageQuotaExceeded', 'The sessions of ' .. owner .. ' have stored ' .. string.format('%.0f', used)
      .. ' bytes; ' .. string.format('%.0f', quota.bytes) .. ' are allowed.', { used = used, allowed = quota.bytes, owner = owner })
  end
  local open = redis.call('SCARD', keys.owner_open(owner))
  if opens and type(quota.sessions) == 'number' and open >= quota.sessions then
    return refuse('QuotaExceeded', owner .. ' has ' .. open .. ' sessions open; ' .. quota.sessions .. ' are allowed.',
      { used = open, allowed = quota.sessions, owner = owner, retry_after = 30 })
  end
  return nil
end
