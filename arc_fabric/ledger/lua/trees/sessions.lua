-- needs: base trees
-- What is known of sessions of resting trees. ARGV: sessions. Answers with an id followed by JSON for each, '' where it does
-- not rest.
local found = {}
for i, sid in ipairs(ARGV) do found[i] = resting_session(sid) or '' end
return found
