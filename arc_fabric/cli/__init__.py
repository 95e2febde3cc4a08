"""The command line `arc-fabric`: one file per noun, all of them thin.

app       the root command: settings flags, errors, exit codes
output    people's tables and scripts' JSON
up, worker, web, settings, doctor, bench, demo      run here
sessions, tree, files, storage                      speak HTTP through arc_fabric.client
"""

from arc_fabric.cli.app import main

__all__ = ["main"]
