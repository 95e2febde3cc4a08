"""Do the weight files of a checkpoint hold what they and their index promise? Pure, reads headers only.

The index (`model.safetensors.index.json`) says which file holds which weight; the header of a safetensors file says
which weights it holds and where they end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

_NUMBERED = re.compile(r"(.+)-(\d+)-of-(\d+)\.safetensors")
_SHOWN = 3
_MOST_HEADER = 100_000_000


def problems(directory: Path, index: Mapping[str, str] | None, files: Iterable[Path]) -> list[str]:
    """What is wrong, one clause each; empty where all is well. `index` is weight -> file name; None without one."""
    files = list(files)
    found: list[str] = []
    held: dict[str, set[str]] = {}
    for file in files:
        names, wrong = _header(file)
        held[file.name] = names
        found += [f"{file.name} {wrong}"] if wrong else []
    if index is not None:
        found += _against_index(index, held)
    return found + _strangers(directory, [file.name for file in files])


def shown(names: Iterable[str]) -> str:
    """The first few names, and how many there are."""
    some = sorted(names)
    return ", ".join(some[:_SHOWN]) + (f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else "")


def _header(file: Path) -> tuple[set[str], str]:
    """The weights in a file, and what is wrong with it."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length <= min(size, _MOST_HEADER):
                raise ValueError("its header's length is impossible")
            body = json.loads(stream.read(length))
        weights = {name: entry for name, entry in body.items() if name != "__metadata__"}
        end = 8 + length + max((int(entry["data_offsets"][1]) for entry in weights.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        return set(), f"is no safetensors file ({error})"
    return set(weights), "" if size == end else f"has {size} bytes where its header says {end}"


def _against_index(index: Mapping[str, str], held: Mapping[str, set[str]]) -> list[str]:
    found: list[str] = []
    for name, weights in held.items():
        promised = {weight for weight, file in index.items() if file == name}
        if weights and (gone := promised - weights):
            found.append(f"{name} lacks {len(gone)} weights that the index places there ({shown(gone)})")
        if extra := weights - promised:
            found.append(f"{name} holds {len(extra)} weights that the index does not place there ({shown(extra)})")
    return found


def _strangers(directory: Path, names: list[str]) -> list[str]:
    """Numbered files of another set beside these, and numbers that are left out."""
    found: list[str] = []
    totals = {match[3] for match in map(_NUMBERED.fullmatch, names) if match}
    for match in filter(None, map(_NUMBERED.fullmatch, names[:1])):
        there = {int(m[2]) for m in map(_NUMBERED.fullmatch, names) if m}
        left_out = [f"{match[1]}-{n:0{len(match[2])}}-of-{match[3]}.safetensors"
                    for n in range(1, int(match[3]) + 1) if n not in there]  # fmt: skip
        if left_out:
            found.append(f"the index names none of {shown(left_out)}")
    if len(totals) > 1:
        found.append(f"the index mixes files of sets of {' and '.join(sorted(totals))}")
    beside = {path.name for path in directory.glob("*.safetensors") if _NUMBERED.fullmatch(path.name)} - set(names)
    if beside:
        found.append(f"{shown(beside)} belong to another set of files")
    return found
