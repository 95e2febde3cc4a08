-- needs: base placement
-- Does interactive work of other sessions wait for this worker? ARGV: worker, session.
local worker, sid = ARGV[1], ARGV[2]
if redis.call('LLEN', 'interactive') > 0 then return { 'yes' } end
for _, other in ipairs(redis.call('SMEMBERS', owned_key(worker))) do
  if other ~= sid and get(session_key(other), 'bulk') ~= 'true' and redis.call('LLEN', mailbox_key(other)) > 0 then
    return { 'yes' }
  end
end
return { 'no' }
