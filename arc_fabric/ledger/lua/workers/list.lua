-- needs: base placement
-- What is known of these workers. ARGV: names. Answers with each one's record as JSON, where it has one.
local found = {}
for _, name in ipairs(ARGV) do
  local record = load(keys.worker(name))
  local owned = redis.call('SMEMBERS', keys.owned(name))
  table.sort(owned)
  for i, sid in ipairs(owned) do owned[i] = quote(sid) end
  record.name, record._lease = cjson.encode(name), cjson.encode(live_boot(name))
  record.sessions, record.queued = '[' .. concat(owned, ',') .. ']', tostring(queue_length(name))
  found[#found + 1] = whole(record)
end
return found
