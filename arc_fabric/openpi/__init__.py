"""Arc Fabric as an OpenPI / RoboArena policy server: every episode a session, every call a checkpoint.

wire          msgpack with numpy arrays, the protocol's encoding
observation   what clients send, read into one form
episodes      which episode a message means; one that was left goes on
backend       who acts: the contract, and the frames an episode has seen
local         episodes in this process, on a model of its own
remote        episodes as sessions of a running Arc Fabric, over HTTP
server        the WebSocket server

python -m arc_fabric.openpi --model tabletop --port 8000          # in-process
python -m arc_fabric.openpi --url http://127.0.0.1:8321           # on a running Arc Fabric
"""
