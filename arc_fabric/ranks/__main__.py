"""One of the other ranks of a model (see `launch`)."""

import sys
from pathlib import Path

from arc_fabric.ranks.launch import follow

if __name__ == "__main__":
    maker, rank, size, place, device, backend, *arguments = sys.argv[1:]
    follow(maker, int(rank), int(size), Path(place), device, backend, arguments)
