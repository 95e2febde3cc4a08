"""Search in a world: policies that fork, judge and go on from what was best. Over `arc_fabric.protocol`, so in this
process and on a server alike; what was tried stays in the tree, with its score.

explorer      tries a continuation from any checkpoint and has it judged
retry         on failure: back by some steps, then the next prompt or seed
best_of       N continuations, the best of them
beam          the best few of all continuations of the best few, again and again
cem           cross-entropy method over action sequences: planning in the world model
archive       Go-Explore: return to a promising cell, explore from there
"""

from arc_fabric.search.archive import go_explore
from arc_fabric.search.beam import beam
from arc_fabric.search.best_of import best_of
from arc_fabric.search.cem import cem
from arc_fabric.search.explorer import Explorer, Try
from arc_fabric.search.retry import retry_on_failure

__all__ = ["Explorer", "Try", "beam", "best_of", "cem", "go_explore", "retry_on_failure"]
