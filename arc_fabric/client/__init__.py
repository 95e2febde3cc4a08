"""The Python client: sessions over HTTP, frames and latents as numpy, live events and frames as an iterator.

>>> from arc_fabric.client import ArcFabric                                             # doctest: +SKIP
>>> fabric = ArcFabric("http://127.0.0.1:8321")                                         # doctest: +SKIP
>>> trunk = fabric.new_session("pick up the red cup", seed=7)                           # doctest: +SKIP
>>> trunk.step(8)[-1].frame_index                                                       # doctest: +SKIP
8
>>> branch = trunk.fork(prompt="push the cup to the left", steps=4)                     # doctest: +SKIP
>>> branch.frames().shape                                                               # doctest: +SKIP
(97, 64, 64, 3)

    fabric      ArcFabric: what people hold   transport   HTTP, retries, problems as errors
    server      all that is named by an id    views       typed answers
    session     RemoteSession                 env         a Gymnasium environment over a session
    stream      events and live frames                evaluation  RemoteEvaluation
    many        steps of many sessions at once        vector      many of them as a Gymnasium vector environment
    rlinf       a world-model backend for RLinf

It imports neither torch nor the rest of the system; latents become torch tensors only when asked for.
"""

from arc_fabric.client.asynchronous import AsyncArcFabric, AsyncEvaluation
from arc_fabric.client.evaluation import EvaluationInfo, RemoteEvaluation
from arc_fabric.client.fabric import ArcFabric
from arc_fabric.client.many import Slot, SlotResult
from arc_fabric.client.session import RemoteSession
from arc_fabric.client.stream import LiveFrame, Stream
from arc_fabric.client.views import Comparison, Job, Node, SessionInfo, Step, TreeInfo

__all__ = [
    "ArcFabric",
    "AsyncArcFabric",
    "AsyncEvaluation",
    "Comparison",
    "EvaluationInfo",
    "Job",
    "LiveFrame",
    "Node",
    "RemoteEvaluation",
    "RemoteSession",
    "SessionInfo",
    "Slot",
    "SlotResult",
    "Step",
    "Stream",
    "TreeInfo",
]
