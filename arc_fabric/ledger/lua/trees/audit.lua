-- needs: base trees
-- List the trees of these sessions, which earlier versions did not. ARGV: sessions. Answers how many were added.
local added = 0
for _, sid in ipairs(ARGV) do
  local tree = bare(redis.call('HGET', keys.session(sid), 'tree_id'))
  if tree and not redis.call('ZSCORE', keys.RESTING, tree) then
    added = added + redis.call('ZADD', keys.TREES, 0, tree)
    redis.call('ZADD', keys.TOUCHED, 'NX', now, tree)
  end
end
return { added }
