-- needs: base placement
-- The worker that has the least to do, or nothing where none takes sessions.
return { (least_loaded()) }
