-- needs: base
-- Jobs of a list, the newest first, that have a state and a kind. ARGV: list, job after which to begin ('' = from the
-- newest), how many to look at, state, kind (JSON texts; '' = any). Answers with the job to go on after ('' = there are no
-- more) and those found.
local from, most, found = ARGV[2] == '' and '+' or '(' .. ARGV[2], tonumber(ARGV[3]), {}
local ids = redis.call('ZREVRANGEBYLEX', ARGV[1], from, '-', 'LIMIT', 0, most)
for _, jid in ipairs(ids) do
  local facts = redis.call('HMGET', keys.job(jid), 'state', 'kind')
  if facts[1] and (ARGV[4] == '' or facts[1] == ARGV[4]) and (ARGV[5] == '' or facts[2] == ARGV[5]) then
    found[#found + 1] = jid
  end
end
return { #ids == most and ids[most] or '', found }
