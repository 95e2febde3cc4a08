-- needs: base
-- The watchdog ends this process because a step took too long. ARGV: job.
if redis.call('EXISTS', job_key(ARGV[1])) == 1 then
  redis.call('HINCRBY', job_key(ARGV[1]), '_deadlines', 1)
  redis.call('HSET', job_key(ARGV[1]), '_attempts', '0')
end
return { 'ok' }
