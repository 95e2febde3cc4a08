-- needs: base trees quota placement jobs
-- The client of a session lives. ARGV: session.
local sid = ARGV[1]
local session = load(keys.session(sid))
if not session.state then return no_session(sid) end
if session.state == '"closed"' then
  return refuse('SessionClosed', 'Session ' .. sid .. ' is closed.', { session_id = sid })
end
renew_client(sid, session)
return { 'ok', whole(session) }
