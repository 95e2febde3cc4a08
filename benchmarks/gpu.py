"""What only a GPU can tell: python -m benchmarks.gpu [--only copies] [--model dreamzero:DIR]. See README.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch

from arc_fabric.models.registry import load_model
from benchmarks._gpu.copies import copies
from benchmarks._gpu.rebuild import rebuild
from benchmarks._gpu.stepping import stepping
from benchmarks._snapshot.world import dreamzero_14b, object_store
from benchmarks.rows import NOT_HERE, Report, progress

PARTS = ("copies", "rebuild", "steps")
KEPT_FREE = 4 << 30
"""Bytes of device memory that copies leaves alone."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything once; 1 when a bar is missed, NOT_HERE where there is no GPU or it is too small."""
    parser = argparse.ArgumentParser(prog="benchmarks.gpu", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--layers", type=int, default=40, help="layers of the 14B-shaped caches")
    parser.add_argument("--frames", type=int, default=7, help="latent frames in them")
    parser.add_argument("--model", default="tabletop", help="for rebuild and steps: tabletop, or dreamzero:<dir>")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure, separated by commas")
    options = parser.parse_args(argv)
    parts = options.only.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    if refusal := refuse(options.device, options.layers, options.frames if "copies" in parts else 0):
        print(refusal, file=sys.stderr)
        return NOT_HERE
    report = Report("gpu")
    if "copies" in parts:
        progress("copies ...")
        copies(report, dreamzero_14b(options.layers), options.device, options.frames)
        torch.cuda.empty_cache()
    if set(parts) & {"rebuild", "steps"}:
        model = load_model(options.model, options.device)
        with object_store() as backend:
            for name, measure in (("rebuild", rebuild), ("steps", stepping)):
                if name in parts:
                    progress(f"{name} ...")
                    measure(report, backend, model)
    return report.finish(as_json=options.json)


def refuse(device: str, layers: int, frames: int) -> str:
    """Why nothing can be measured here, and what to do; empty where it can."""
    if not device.startswith("cuda") or not torch.cuda.is_available():
        built = "this build of torch has no CUDA" if torch.version.cuda is None else "no CUDA device can be used"
        return (
            f"benchmarks.gpu measures a GPU, and {device} is none: {built}. Run it where nvidia-smi shows one and "
            "torch is a CUDA build; for figures from a CPU see benchmarks.snapshot."
        )
    free, _ = torch.cuda.mem_get_info(device)
    needed = 3 * dreamzero_14b(layers).frame_bytes() * frames + KEPT_FREE * bool(frames)
    if free < needed:
        return (
            f"{device} has {free >> 30} GiB free; the copies of {layers} layers at {frames} latent frames need "
            f"{needed >> 30} GiB. Give fewer --layers or --frames, or leave the part out with --only."
        )
    return ""


if __name__ == "__main__":
    sys.exit(main())
