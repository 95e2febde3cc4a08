-- needs: base placement
-- Does interactive work of other sessions wait for this worker? ARGV: worker, session.
local worker, sid = ARGV[1], ARGV[2]
if redis.call('LLEN', 'interactive') > 0 then return { 'yes' } end
for _, other in ipairs(redis.call('SMEMBERS', keys.owned(worker))) do
  if other ~= sid and get(keys.session(other), 'bulk') ~= 'true' and redis.call('LLEN', keys.mailbox(other)) > 0 then
    return { 'yes' }
  end
end
return { 'no' }
