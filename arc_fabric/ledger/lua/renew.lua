-- needs: base placement
-- Heartbeat. ARGV: name, boot, lease ms, packed record. A lease that ran out while the process was frozen is taken
-- back when nobody else has it: sessions that were moved meanwhile have another epoch.
local name, boot, lease_ms = ARGV[1], ARGV[2], ARGV[3]
local lease = live_boot(name)
if lease and lease ~= boot then return { 'lost' } end
redis.call('SET', lease_key(name), boot, 'PX', lease_ms)
local was_down = get(worker_key(name), 'state') == '"down"'
local fields = cjson.decode(ARGV[4])
fields.last_seen = now
set(worker_key(name), fields)
redis.call('SADD', 'arc:workers', name)
if was_down or not lease then emit(nil, 'worker.up', view(worker_key(name))) end
return { 'ok' }
