-- Trees, here and at rest. A tree that nobody touches goes to object storage (arc_fabric/resting); keys.RESTING names it
-- then. Each of its nodes is either still a record here or has a home, a few bytes that say which tree it belongs to; each
-- of its sessions is either a record or a member of keys.SESSIONS_RESTING. Who needs one that rests answers `asleep`: the
-- ledger brings the tree back and asks again.
local PER_HOME, ID = 48, 30 -- nodes in a hash on average, so that it stays compact; length of an id

local function asleep(tree) return { 'asleep', tree } end

-- A change of a tree: whoever brings it to rest just now has to begin anew. Answers `asleep` where it rests already, and a
-- refusal where it was deleted.
local function touch(tree)
  if redis.call('ZSCORE', keys.RESTING, tree) then return asleep(tree) end
  if redis.call('SISMEMBER', keys.DOOMED, tree) == 1 then
    return refuse('NotFound', 'Tree ' .. tree .. ' was deleted.', { tree_id = tree })
  end
  if redis.call('ZADD', keys.TOUCHED, now, tree) == 1 then redis.call('ZADD', keys.TREES, 0, tree) end
  redis.call('DEL', keys.rest_claim(tree))
  return nil
end

-- Homes are spread over as many hashes as they need, by linear hashing: one hash is split at a time.
local function spread()
  local facts = redis.call('HMGET', keys.HOMES, 'level', 'split')
  return 2 ^ tonumber(facts[1] or '0'), tonumber(facts[2] or '0')
end

local function digits(nid) return tonumber(string.sub(redis.sha1hex(nid), 1, 8), 16) end

local function place(nid, size, split)
  local hash = digits(nid)
  local at = hash % size
  if at < split then at = hash % (2 * size) end
  return keys.homes(string.format('%.0f', at))
end

local function split_one(size, split)
  local from, to = keys.homes(string.format('%.0f', split)), keys.homes(string.format('%.0f', split + size))
  local held = redis.call('HGETALL', from)
  for i = 1, #held, 2 do
    if digits('ckp_' .. held[i]) % (2 * size) ~= split then
      redis.call('HSET', to, held[i], held[i + 1])
      redis.call('HDEL', from, held[i])
    end
  end
  if split + 1 < size then
    redis.call('HSET', keys.HOMES, 'split', string.format('%.0f', split + 1))
  else
    redis.call('HSET', keys.HOMES, 'split', '0')
    redis.call('HINCRBY', keys.HOMES, 'level', 1)
  end
end

local function give_home(nid, number)
  local size, split = spread()
  if redis.call('HSET', place(nid, size, split), string.sub(nid, 5), number) == 0 then return end
  if redis.call('HINCRBY', keys.HOMES, 'n', 1) > PER_HOME * (size + split) then split_one(size, split) end
end

local function take_home(nid)
  local size, split = spread()
  if redis.call('HDEL', place(nid, size, split), string.sub(nid, 5)) == 1 then redis.call('HINCRBY', keys.HOMES, 'n', -1) end
end

-- The tree in which a node rests, or nil.
local function home(nid)
  local size, split = spread()
  local number = redis.call('HGET', place(nid, size, split), string.sub(nid, 5))
  return number and redis.call('ZRANGEBYSCORE', keys.RESTING, number, number, 'LIMIT', 0, 1)[1] or nil
end

-- What is known of a session of a resting tree: an id followed by JSON, or nil; and the tree.
local function resting_session(sid)
  for _, listing in ipairs({ keys.SESSIONS_RESTING, keys.SESSIONS_RESTING_BULK }) do
    local found = redis.call('ZRANGEBYLEX', listing, '[' .. sid, '[' .. sid .. '~', 'LIMIT', 0, 1)[1]
    if found then return found, cjson.decode(string.sub(found, ID + 1)).tree_id end
  end
  return nil
end

-- Answers to who asks for what is not here.
local function no_node(nid, error, word)
  local tree = home(nid)
  if tree then return asleep(tree) end
  return refuse(error or 'NodeNotFound', 'No ' .. (word or 'node') .. ' ' .. nid .. '.', { checkpoint_id = nid })
end

local function no_session(sid)
  local found, tree = resting_session(sid)
  if found then return asleep(tree) end
  return refuse('SessionNotFound', 'No session ' .. sid .. '.', { session_id = sid })
end
