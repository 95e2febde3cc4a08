-- needs: base
-- Delete records of finished jobs, the oldest first: those that ended more than ARGV[1] seconds ago, and those beyond
-- ARGV[2] in all that ended more than ARGV[3] seconds ago. Looks at ARGV[5] jobs after job ARGV[4] ('' = from the oldest).
-- Answers with how many were deleted, and the job to go on after ('' = there are no more).
local long_ago, recently = now_s - tonumber(ARGV[1]), now_s - tonumber(ARGV[3])
local surplus = redis.call('ZCARD', keys.JOBS) - tonumber(ARGV[2])
local from = ARGV[4] == '' and '-' or '(' .. ARGV[4]
local ids = redis.call('ZRANGEBYLEX', keys.JOBS, from, '+', 'LIMIT', 0, ARGV[5])
local forgotten = 0
for _, jid in ipairs(ids) do
  local facts = redis.call('HMGET', keys.job(jid), 'created', 'finished', 'session_id', 'kind', 'state')
  local created, finished = tonumber(facts[1] or '0'), tonumber(facts[2] or '0')
  if created > long_ago and (created > recently or surplus <= 0) then return { forgotten, '' } end
  if finished and (finished <= long_ago or (finished <= recently and surplus > 0)) then
    redis.call('DEL', keys.job(jid), keys.job_steps(jid))
    redis.call('ZREM', keys.JOBS, jid)
    file_job(jid, facts[4], facts[5], nil)
    if facts[3] then redis.call('ZREM', keys.session_jobs(bare(facts[3])), jid) end
    forgotten, surplus = forgotten + 1, surplus - 1
  end
end
return { forgotten, #ids == tonumber(ARGV[5]) and ids[#ids] or '' }
