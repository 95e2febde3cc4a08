-- needs: base placement
-- Which live worker keeps which pinned node: the owner of the node's session, else the worker that made it, else one that
-- keeps all others, as long as it lives. Answers with node, worker, node, worker...
local answer, keeper_of_others = {}, nil

local function others()
  if not keeper_of_others then
    local name = redis.call('GET', keys.PIN_KEEPER)
    keeper_of_others = name and serves(name) and name or least_loaded()
    if keeper_of_others and keeper_of_others ~= name then redis.call('SET', keys.PIN_KEEPER, keeper_of_others) end
  end
  return keeper_of_others
end

for _, nid in ipairs(redis.call('ZRANGE', keys.PINNED, 0, -1)) do
  local facts = redis.call('HMGET', keys.node(nid), 'session_id', 'worker')
  local keeper = bare(get(keys.session(bare(facts[1]) or ''), 'worker'))
  if not keeper or not live_boot(keeper) then keeper = bare(facts[2]) end
  if not keeper or not live_boot(keeper) then keeper = others() end
  if keeper then
    answer[#answer + 1] = nid
    answer[#answer + 1] = keeper
  end
end
return answer
