-- needs: base
-- Forget rows that object storage has by now; one that was written again since stays. ARGV: id, then number and row of each.
local rows = keys.evaluation_rows(ARGV[1])
for i = 2, #ARGV, 2 do
  if redis.call('HGET', rows, ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', rows, ARGV[i]) end
end
return {}
