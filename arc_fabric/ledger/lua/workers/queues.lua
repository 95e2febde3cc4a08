-- needs: base placement
-- Tickets that wait. ARGV: queues. Answers with their lengths.
local lengths = {}
for i, queue in ipairs(ARGV) do lengths[i] = queue_length(queue) end
return lengths
