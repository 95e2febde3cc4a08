-- needs: base
-- A tree cannot rest yet: it is looked at again as if it had been touched now. ARGV: tree.
redis.call('ZADD', keys.TOUCHED, 'XX', now, ARGV[1])
redis.call('DEL', keys.rest_claim(ARGV[1]))
return { 'ok' }
