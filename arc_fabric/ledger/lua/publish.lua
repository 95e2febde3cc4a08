-- needs: base
-- Add one event. ARGV: session ('' = none), kind, data.
emit(ARGV[1] ~= '' and ARGV[1] or nil, ARGV[2], ARGV[3])
return { 'ok' }
