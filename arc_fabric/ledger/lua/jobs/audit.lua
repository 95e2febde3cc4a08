-- needs: base
-- Compare the lists of jobs by state and kind with the records. ARGV: list that names these jobs ('' = none), jobs.
-- Answers how many were put right.
local mended = 0
for i = 2, #ARGV do
  local facts = redis.call('HMGET', keys.job(ARGV[i]), 'state', 'kind')
  local right = facts[1] and keys.jobs_in(bare(facts[1]) .. ':' .. bare(facts[2]))
  if ARGV[1] ~= '' and right ~= ARGV[1] then mended = mended + redis.call('ZREM', ARGV[1], ARGV[i]) end
  if right then mended = mended + redis.call('ZADD', right, 0, ARGV[i]) end
end
return { mended }
