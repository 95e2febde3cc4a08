-- needs: base
-- Who was to bring a tree back gives up: the next one need not wait. ARGV: tree, token of the process.
if redis.call('GET', keys.waking(ARGV[1])) == ARGV[2] then redis.call('DEL', keys.waking(ARGV[1])) end
return { 'ok' }
