"""Policies from outside act in a world, closed loop: they see what the model imagines, and it follows their actions.

policy     what a policy is: a callable from what is seen to actions
makers     who makes a variant: a policy step by step, or a search that picks among branches
runner     makes the variants of an evaluation with policies, one after the other
openpi     OpenPi, a policy on an OpenPI / RoboArena server (extra `server`)
"""

from arc_fabric.acting.makers import acting, searching
from arc_fabric.acting.policy import Policy, Seen
from arc_fabric.acting.runner import Runner

__all__ = ["Policy", "Runner", "Seen", "acting", "searching"]
