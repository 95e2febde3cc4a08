-- needs: base trees
-- All records of a tree are back: it does not rest any more. ARGV: tree, token of the process. Answers: ok | lost.
local tree = ARGV[1]
if not redis.call('ZSCORE', keys.RESTING, tree) then return { 'ok' } end
if redis.call('GET', keys.waking(tree)) ~= ARGV[2] then return { 'lost' } end
redis.call('DEL', keys.waking(tree))
redis.call('ZREM', keys.RESTING, tree)
redis.call('HDEL', keys.RESTING_ROWS, tree)
redis.call('SREM', keys.DROPPING, tree)
touch(tree)
return { 'ok' }
