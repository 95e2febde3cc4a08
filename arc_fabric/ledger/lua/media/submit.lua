-- needs: base trees quota placement jobs media
-- A media job, unless one for the same target is unfinished. ARGV: job, packed job fields, most jobs in all, most
-- unfinished media jobs for who only looks ('' = asked by who may work), ticket ('' = the caller sends it).
local jid, fields = ARGV[1], cjson.decode(ARGV[2])
if redis.call('EXISTS', keys.job(jid)) == 1 then return { 'ok', jid } end
local target = keys.media_target(bare(fields._target))
local known = redis.call('GET', target)
if known and unfinished(get(keys.job(known), 'state')) then return { 'replayed', known } end
local making = redis.call('ZCARD', keys.MEDIA)
if ARGV[4] ~= '' and making >= tonumber(ARGV[4]) then
  return refuse('RateLimited', making .. ' clips are being made; a token of scope read starts no more until one of them is done.',
    { unfinished = making })
end
local full = too_many(tonumber(ARGV[3]), nil, nil)
if full then return full end
fields.state, fields.created = '"queued"', now
fields.progress = progress(0, tonumber(fields._total))
set(keys.job(jid), fields)
redis.call('SET', target, jid)
redis.call('ZADD', keys.JOBS, 0, jid)
redis.call('ZADD', keys.session_jobs(bare(fields.session_id)), 0, jid)
redis.call('SADD', keys.JOBS_ACTIVE, jid)
file_job(jid, fields.kind, nil, fields.state)
send_media(jid, 'media work')
redis.call('HSET', keys.job(jid), '_event', quote(emit_job(jid, 'job.queued')))
local job = load(keys.job(jid))
send(job, ARGV[5])
return { 'ok', jid, whole(job) }
