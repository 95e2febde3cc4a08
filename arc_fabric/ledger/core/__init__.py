"""What every part of the ledger stands on: clients, scripts, key names, and the form of records in Redis.

core        Core: one ledger's clients, scripts, limits and clock; shared reads and pages
connection  Redis clients with timeouts that fit their use
scripts     loads the Lua scripts of ../lua and runs them
keys        names of the Redis keys, for Python and Lua
codec       records in Redis hashes
"""

from arc_fabric.ledger.core.core import Core, Limits, Page

__all__ = ["Core", "Limits", "Page"]
