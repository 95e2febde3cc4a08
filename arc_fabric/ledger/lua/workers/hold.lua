-- Take or keep a role that one process at a time has. ARGV: role, holder, ms.
local key = keys.role(ARGV[1])
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[2] then return { 'no' } end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
return { 'ok' }
