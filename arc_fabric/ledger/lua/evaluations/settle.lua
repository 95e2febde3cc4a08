-- needs: base
-- What became of variants. ARGV: id, then for each its number, its row ('' = no result: it is to be made again), its
-- verdict (good, bad, error or none) and its steps. What does not run any more is left as it is: a row is counted once.
local id = ARGV[1]
local record, running = load(keys.evaluation(id)), keys.evaluation_running(id)
if not record.state then return {} end
local sums = { done = 0, good = 0, bad = 0, errors = 0, steps = 0 }
local of = { good = 'good', bad = 'bad', error = 'errors' }
for i = 2, #ARGV, 4 do
  local number, row, verdict = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('HDEL', running, number) == 1 then
    if row == '' then
      redis.call('RPUSH', keys.evaluation_again(id), number)
    else
      redis.call('HSET', keys.evaluation_rows(id), number, row)
      sums.done, sums.steps = sums.done + 1, sums.steps + tonumber(ARGV[i + 3])
      if of[verdict] then sums[of[verdict]] = sums[of[verdict]] + 1 end
    end
  end
end
local changes = { running = tostring(redis.call('HLEN', running)) }
for name, more in pairs(sums) do changes[name] = tostring(tonumber(record[name]) + more) end
if record.state == '"running"' and tonumber(changes.done) >= tonumber(record.total) then
  changes.state, changes.finished = '"finished"', now
end
change(keys.evaluation(id), record, changes)
emit(nil, 'evaluation.updated', shown(record))
return {}
