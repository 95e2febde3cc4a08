-- needs: base trees
-- Begin to bring a tree to rest: what is read from here on is what rests, unless something touches it. ARGV: tree, token, ms.
local tree = ARGV[1]
if not redis.call('ZSCORE', keys.TOUCHED, tree) then return { 'no' } end
redis.call('SET', keys.rest_claim(tree), ARGV[2], 'PX', ARGV[3])
return { 'ok' }
