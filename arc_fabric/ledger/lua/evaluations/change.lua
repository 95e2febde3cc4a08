-- needs: base
-- Cancel, stop, resume, rest (nothing is left to do for it). ARGV: id, new state or 'rest', why ('null' or a JSON text),
-- then, with a resume, the variants whose errors are to be tried again.
local id, state = ARGV[1], ARGV[2]
local record = load(keys.evaluation(id))
if not record.state then return refuse('NotFound', 'No evaluation ' .. id .. '.', { evaluation_id = id }) end
local runs, again = record.state == '"running"', #ARGV - 3
if state == 'rest' then
  if not runs and redis.call('HLEN', keys.evaluation_running(id)) == 0 then
    redis.call('ZREM', keys.EVALUATIONS_ACTIVE, id)
  end
elseif state == 'running' then
  if not runs and (record.state ~= '"finished"' or again > 0) then
    for i = 4, #ARGV do redis.call('RPUSH', keys.evaluation_again(id), ARGV[i]) end
    change(keys.evaluation(id), record, {
      state = '"running"', why = 'null', finished = 'null', _round = tostring(tonumber(record._round) + 1),
      _resumed = '[' .. now .. ',' .. record.steps .. ',' .. record.bad .. ']',
      done = tostring(tonumber(record.done) - again), errors = tostring(tonumber(record.errors) - again),
    })
    redis.call('ZADD', keys.EVALUATIONS_ACTIVE, tonumber(record.priority), id)
    emit(nil, 'evaluation.updated', shown(record))
  end
elseif runs then
  change(keys.evaluation(id), record, { state = quote(state), why = ARGV[3], finished = now })
  emit(nil, 'evaluation.updated', shown(record))
end
return { 'ok', whole(record) }
