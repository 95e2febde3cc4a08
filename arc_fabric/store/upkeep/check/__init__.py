"""The check (`arc-fabric fsck`): is everything that the manifests promise there, and is it what it was?

`checker` goes over all checkpoints, `objects` looks at one object, `damage` gathers what is wrong and who needs it.
"""

from arc_fabric.store.upkeep.check.checker import Checker, CheckReport
from arc_fabric.store.upkeep.check.damage import Problem

__all__ = ["CheckReport", "Checker", "Problem"]
