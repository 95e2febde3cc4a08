-- needs: base trees
-- Bring a tree back, one process at a time. ARGV: tree, token of the process, ms. Answers: awake | busy | ok, row.
local tree = ARGV[1]
if not redis.call('ZSCORE', keys.RESTING, tree) then return { 'awake' } end
local holder = redis.call('GET', keys.waking(tree))
if holder and holder ~= ARGV[2] then return { 'busy' } end
redis.call('SET', keys.waking(tree), ARGV[2], 'PX', ARGV[3])
return { 'ok', redis.call('HGET', keys.RESTING_ROWS, tree) }
