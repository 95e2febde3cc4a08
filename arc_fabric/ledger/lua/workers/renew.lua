-- needs: base placement
-- Heartbeat. ARGV: name, boot, lease ms, packed record. A lease that ran out while the process was frozen is taken
-- back when nobody else has it: sessions that were moved meanwhile have another epoch.
local name, boot, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local lease = live_boot(name)
if lease and lease ~= boot then return { 'lost' } end
local was_down = get(keys.worker(name), 'state') == '"down"'
local fields = cjson.decode(ARGV[4])
fields.last_seen = now
set(keys.worker(name), fields)
redis.call('SADD', keys.WORKERS, name)
lives(name, boot, lease_ms)
if was_down or not lease then emit(nil, 'worker.up', view(keys.worker(name))) end
return { 'ok' }
