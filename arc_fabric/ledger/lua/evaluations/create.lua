-- needs: base
-- A new evaluation. ARGV: id, packed fields, plan, most that are unfinished, idempotency key, digest, then the numbers of
-- its variants where these are not simply 0 to total - 1.
local id, fields = ARGV[1], cjson.decode(ARGV[2])
local again = replay(ARGV[5], ARGV[6])
if again then return again end
if redis.call('EXISTS', keys.evaluation(id)) == 1 then return { 'ok', whole(load(keys.evaluation(id))) } end
local active = redis.call('ZCARD', keys.EVALUATIONS_ACTIVE)
if active >= tonumber(ARGV[4]) then
  return refuse('TooManyJobs', active .. ' evaluations are unfinished; the limit is ' .. ARGV[4] .. '.',
    { unfinished = active, limit = tonumber(ARGV[4]), retry_after = 30 })
end
fields.created = now
set(keys.evaluation(id), fields)
redis.call('SET', keys.evaluation_plan(id), ARGV[3])
for i = 7, #ARGV do redis.call('RPUSH', keys.evaluation_again(id), ARGV[i]) end
redis.call('ZADD', keys.EVALUATIONS, 0, id)
redis.call('ZADD', keys.EVALUATIONS_ACTIVE, tonumber(fields.priority), id)
remember(ARGV[5], ARGV[6], id)
emit(nil, 'evaluation.updated', shown(fields))
return { 'ok', whole(fields) }
