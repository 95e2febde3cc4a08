-- needs: base placement
-- A worker ends on purpose: its lease is released, so the next sweep moves its sessions at once. ARGV: name, boot.
local name, boot = ARGV[1], ARGV[2]
if live_boot(name) == boot then
  redis.call('DEL', keys.lease(name))
  redis.call('ZADD', keys.ALIVE, 0, name)
end
return { 'ok' }
