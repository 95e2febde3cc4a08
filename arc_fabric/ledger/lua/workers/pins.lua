-- needs: base placement
-- Which live worker keeps which pinned node: the owner of the node's session, else the worker that made it, else the
-- first one. Answers with node, worker, node, worker...
local answer, first = {}, live_gpu_workers()[1]
for _, nid in ipairs(redis.call('ZRANGE', keys.PINNED, 0, -1)) do
  local facts = redis.call('HMGET', keys.node(nid), 'session_id', 'worker')
  local keeper = bare(get(keys.session(bare(facts[1]) or ''), 'worker'))
  if not keeper or not live_boot(keeper) then keeper = bare(facts[2]) end
  if not keeper or not live_boot(keeper) then keeper = first and first.name end
  if keeper then
    answer[#answer + 1] = nid
    answer[#answer + 1] = keeper
  end
end
return answer
