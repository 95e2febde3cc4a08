-- needs: base trees quota placement jobs media
-- Delete a tree: nothing changes it any more, and its records go in slices (erase.lua). ARGV: tree, whether its open sessions
-- are closed and its unfinished jobs cancelled ('' = it is refused then), most of these at once. Answers: ok | more.
local tree, left = ARGV[1], tonumber(ARGV[3])
if redis.call('SISMEMBER', keys.DOOMED, tree) == 1 then return { 'ok' } end
local rests = touch(tree)
if rests then return rests end
if redis.call('EXISTS', keys.tree(tree)) == 0 then
  redis.call('ZREM', keys.TREES, tree)
  redis.call('ZREM', keys.TOUCHED, tree)
  return refuse('NotFound', 'No tree ' .. tree .. '.', { tree_id = tree })
end

local function ours(sid) return sid and bare(redis.call('HGET', keys.session(sid), 'tree_id')) == tree end

local in_use, seen, clips = {}, {}, {}
local function look(sid)
  if not seen[sid] and ours(sid) and get(keys.session(sid), 'state') == '"open"' then in_use[#in_use + 1] = sid end
  seen[sid] = true
end
for _, sid in ipairs(redis.call('SMEMBERS', keys.SESSIONS_OPEN)) do look(sid) end
for _, sid in ipairs(redis.call('ZRANGE', keys.BUSY, 0, -1)) do look(sid) end
for _, jid in ipairs(redis.call('ZRANGE', keys.MEDIA, 0, -1)) do
  if ours(bare(redis.call('HGET', keys.job(jid), 'session_id'))) then clips[#clips + 1] = jid end
end
if ARGV[2] == '' and #in_use + #clips > 0 then
  return refuse('Conflict', 'Tree ' .. tree .. ' is in use: ' .. #in_use .. ' sessions of it are open, ' .. #clips
    .. ' clips are being made.', { tree_id = tree, sessions = { unpack(in_use, 1, math.min(#in_use, 20)) } })
end
for _, jid in ipairs(clips) do end_media(jid, 'cancelled', 'null', cancelled('Its tree was deleted.')) end
for _, sid in ipairs(in_use) do
  if left == 0 then return { 'more' } end
  close_session(sid, load(keys.session(sid)), 'Its tree was deleted.')
  left = left - 1
end
redis.call('SADD', keys.DOOMED, tree)
redis.call('ZREM', keys.TREES, tree)
redis.call('ZREM', keys.TOUCHED, tree)
redis.call('DEL', keys.rest_claim(tree))
return { 'ok' }
