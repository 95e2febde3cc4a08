-- needs: base placement
-- Does interactive work of other sessions wait for this worker? ARGV: worker, session.
local worker, sid = ARGV[1], ARGV[2]
local others = redis.call('ZCARD', keys.work(worker)) - (redis.call('ZSCORE', keys.work(worker), sid) and 1 or 0)
return { (others > 0 or redis.call('LLEN', 'interactive') > 0) and 'yes' or 'no' }
