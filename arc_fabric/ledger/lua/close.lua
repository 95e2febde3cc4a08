-- needs: base placement jobs
-- Close a session: its slot is free at once, its unfinished jobs are cancelled, its tree stays. ARGV: session.
local sid = ARGV[1]
if redis.call('EXISTS', session_key(sid)) == 0 then
  return refuse('SessionNotFound', 'No session ' .. sid .. '.', { session_id = sid })
end
close_session(sid)
return { 'ok', sid }
