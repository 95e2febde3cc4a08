-- needs: base trees
-- Which of these nodes are not here yet; refuses those that cannot come. ARGV: JSON list of {id, parent ('' = a root), tree,
-- session, whether the parent comes along, whether the session does, frame_index}. Answers: ok, ids of the new ones.
local new = {}
local function unwanted(nid) return redis.call('SISMEMBER', keys.UNWANTED, nid) == 1 end
for _, node in ipairs(cjson.decode(ARGV[1])) do
  local nid, parent, tree, sid, parent_comes, session_comes, at = unpack(node)
  local known = redis.call('HMGET', keys.node(nid), 'parent', 'tree_id')
  local rests = not known[1] and home(nid) or parent ~= '' and not parent_comes and home(parent)
  if rests then return asleep(rests) end
  if unwanted(nid) then
    return refuse('Conflict', 'Checkpoint ' .. nid .. ' was deleted here, and its payload is being dropped: try again in a minute.',
      { checkpoint_id = nid })
  end
  if known[1] then
    rests = touch(bare(known[2])) -- it shall not go to rest while the import is written
    if rests then return rests end
    if (bare(known[1]) or '') ~= parent or bare(known[2]) ~= tree then
      return refuse('Conflict', 'Checkpoint ' .. nid .. ' is known here at another place of a tree.', { checkpoint_id = nid })
    end
  else
    local there = parent ~= '' and not parent_comes and redis.call('HGET', keys.node(parent), 'tree_id')
    if parent ~= '' and not parent_comes and not there then
      return refuse('InvalidRequest', 'The parent ' .. parent .. ' of checkpoint ' .. nid .. ' is neither here nor among them.',
        { checkpoint_id = nid, parent = parent })
    end
    if there and bare(there) ~= tree then
      return refuse('InvalidRequest', 'Checkpoint ' .. nid .. ' names another tree than its parent.', { checkpoint_id = nid })
    end
    if there and tonumber(redis.call('HGET', keys.node(parent), 'frame_index')) + 1 ~= at then
      return refuse('InvalidRequest', 'Checkpoint ' .. nid .. ' is not one step after its parent.', { checkpoint_id = nid })
    end
    if there then
      rests = touch(tree)
      if rests then return rests end
    end
    if not session_comes and redis.call('EXISTS', keys.session(sid)) == 0 then
      return refuse('InvalidRequest', 'Session ' .. sid .. ' of checkpoint ' .. nid .. ' is neither here nor among them.',
        { checkpoint_id = nid, session_id = sid })
    end
    new[#new + 1] = nid
  end
end
return { 'ok', new }
