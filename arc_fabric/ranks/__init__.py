"""One model over several processes: every rank keeps its parts of the state, rank 0 makes the one snapshot.

    model = launch("my_package.world:shard", ["cuda:0", "cuda:1"])   # shard(group, device) makes each rank's own model
    manager = StateManager(model)                                    # as of any model that declares its state

    launch    starts the other ranks and joins them: a RankedModel, or a RankedWorldModel
    model     what rank 0 has in hand: a DeclaredModel whose parts are those of all ranks
    windowed  the same of models of DreamZero's surface, whose caches are on several ranks
    capture   gathers what is new on each rank, and gives each rank back its own
    follower  what the other ranks do: they wait for orders
    group     who is there, orders and answers, the process group that the shards compute with
    layout    names of the parts of other ranks
    wire      messages of JSON and tensors between two ranks

docs/reference/state-contract.md says what holds.
"""

from arc_fabric.ranks.group import Group
from arc_fabric.ranks.launch import launch
from arc_fabric.ranks.model import RankedModel
from arc_fabric.ranks.windowed import RankedWorldModel

__all__ = ["Group", "RankedModel", "RankedWorldModel", "launch"]
