"""The tabletop model: a small trained video world model with DreamZero's surface, real-time on a CPU.

`model.TabletopModel` is the model, `samples` its initial frames, `simulator` the world it learned from; `train` and
`evaluate` are programs.
"""
