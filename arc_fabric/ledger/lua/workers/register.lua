-- needs: base placement
-- A worker process announces itself. ARGV: name, boot, lease ms (0 = still loading, no lease), packed record.
-- The newest process of a name holds its lease; an older one finds out at its next renewal and ends.
local name, boot, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('SADD', keys.WORKERS, name)
local fields = cjson.decode(ARGV[4])
fields.last_seen = now
set(keys.worker(name), fields)
if lease_ms > 0 then
  lives(name, boot, lease_ms)
  redis.call('SUNIONSTORE', keys.HOMELESS, keys.HOMELESS, keys.owned(name)) -- they were an earlier process's
  emit(nil, 'worker.up', view(keys.worker(name)))
end
return { 'ok' }
