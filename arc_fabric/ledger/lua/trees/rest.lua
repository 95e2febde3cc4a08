-- needs: base trees
-- A tree rests from here on: all of it is in object storage, verified. Its records are dropped in slices (drop.lua). ARGV:
-- tree, token, row. Answers: ok | touched (something changed since it was claimed: nothing is done).
local tree, token = ARGV[1], ARGV[2]
local row = redis.call('HGET', keys.RESTING_ROWS, tree)
if row and cjson.decode(row).token == token then return { 'ok' } end -- its answer was lost
if redis.call('GET', keys.rest_claim(tree)) ~= token then return { 'touched' } end
redis.call('DEL', keys.rest_claim(tree))
redis.call('ZADD', keys.RESTING, redis.call('HINCRBY', keys.HOMES, 'next', 1), tree)
redis.call('HSET', keys.RESTING_ROWS, tree, ARGV[3])
redis.call('ZREM', keys.TOUCHED, tree)
redis.call('SADD', keys.DROPPING, tree)
return { 'ok' }
