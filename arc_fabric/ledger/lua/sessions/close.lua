-- needs: base trees quota placement jobs
-- Close a session: its slot is free at once, its unfinished jobs are cancelled, its tree stays. ARGV: session.
local sid = ARGV[1]
local session = load(keys.session(sid))
if not session.state then return no_session(sid) end
close_session(sid, session)
return { 'ok', sid }
