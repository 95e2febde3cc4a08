-- needs: base trees
-- In which resting trees these nodes are. ARGV: nodes. Answers with a tree for each, '' where it rests in none.
local found = {}
for i, nid in ipairs(ARGV) do found[i] = home(nid) or '' end
return found
