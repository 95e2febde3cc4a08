-- needs: base
-- What somebody outside says of variants that it was lent: it still works on them, or has made them. ARGV: id, the start
-- of what is noted of a variant lent to it, up to the time ('lent:<who>:'), the new note, numbers. Answers with the numbers
-- that were its own: others were given back in the meantime.
local running, mine, note, found = keys.evaluation_running(ARGV[1]), ARGV[2], ARGV[3], {}
for i = 4, #ARGV do
  local known = redis.call('HGET', running, ARGV[i])
  if known and (known == note or string.sub(known, 1, #mine) == mine) then
    redis.call('HSET', running, ARGV[i], note)
    found[#found + 1] = ARGV[i]
  end
end
return found
