-- needs: base
-- Variants to begin, at most so many; they count as running from here on. ARGV: id, how many, what is noted of each.
local id, room, noted = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local record = load(keys.evaluation(id))
if record.state ~= '"running"' then return {} end
local taken, running, again = {}, keys.evaluation_running(id), keys.evaluation_again(id)
while #taken < room do
  local number = redis.call('LPOP', again)
  if not number then
    local following = tonumber(record._next)
    if following >= tonumber(record.total) then break end
    number = tostring(following)
    record._next = tostring(following + 1)
  end
  taken[#taken + 1] = number
  redis.call('HSET', running, number, noted)
end
if #taken > 0 then
  change(keys.evaluation(id), record, { _next = record._next, running = tostring(redis.call('HLEN', running)) })
end
return taken
