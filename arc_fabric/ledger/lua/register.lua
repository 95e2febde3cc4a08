-- needs: base
-- A worker process announces itself. ARGV: name, boot, lease ms (0 = still loading, no lease), packed record.
-- The newest process of a name holds its lease; an older one finds out at its next renewal and ends.
local name, boot, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('SADD', 'arc:workers', name)
local fields = cjson.decode(ARGV[4])
fields.last_seen = now
set(worker_key(name), fields)
if lease_ms > 0 then
  redis.call('SET', lease_key(name), boot, 'PX', lease_ms)
  emit(nil, 'worker.up', view(worker_key(name)))
end
return { 'ok' }
