-- needs: base
-- The newest jobs of several lists. ARGV: job after which the page begins ('' = from the newest), how many, lists.
local from, most, found = ARGV[1] == '' and '+' or '(' .. ARGV[1], tonumber(ARGV[2]), {}
for i = 3, #ARGV do
  for _, jid in ipairs(redis.call('ZREVRANGEBYLEX', ARGV[i], from, '-', 'LIMIT', 0, most)) do found[#found + 1] = jid end
end
table.sort(found, function(a, b) return a > b end)
return { unpack(found, 1, math.min(#found, most)) }
