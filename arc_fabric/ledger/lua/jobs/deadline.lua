-- needs: base
-- The watchdog ends this process because a step took too long. ARGV: job.
if redis.call('EXISTS', keys.job(ARGV[1])) == 1 then
  redis.call('HINCRBY', keys.job(ARGV[1]), '_deadlines', 1)
  redis.call('HSET', keys.job(ARGV[1]), '_attempts', '0')
end
return { 'ok' }
