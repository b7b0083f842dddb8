"""`make soak`: many frames of varying sizes through one predictor; memory and open files must stay flat.

python -m tests.soak MODEL [--frames 20000]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np

from tests.conftest import NANO
from yolact_deploy.images import read_image
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image

WARMUP = 0.2  # share of the frames after which memory counts
GROWTH_BYTES = 32 << 20  # that memory may move by: arenas keep what the largest frames needed
SIZES = (64, 900)  # px, smallest and largest side


def main() -> int:
    """Run, print what was seen, and return the exit status: 1 when something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--frames", type=int, default=20_000)
    given = parser.parse_args()
    generator = np.random.default_rng(0)
    picture = np.tile(read_image(NANO / "images/000000001000.jpg"), (4, 4, 1))
    seen: list[tuple[int, int]] = []  # bytes of memory, open files, after each hundredth of the frames
    found = 0
    with Predictor.open(given.model) as predictor:
        for frame in range(given.frames):
            found += len(predictor(_cut(picture, generator)))
            if frame % max(given.frames // 100, 1) == 0:
                seen.append((_resident_bytes(), len(os.listdir("/proc/self/fd"))))
    settled = seen[int(len(seen) * WARMUP) :]
    growth = max(memory for memory, _ in settled) - settled[0][0]
    files = max(count for _, count in settled) - settled[0][1]
    print(f"{given.frames} frames, {found} detections: memory +{growth / 2**20:.1f} MiB, open files +{files}")
    return int(growth > GROWTH_BYTES or files > 0)


def _cut(picture: Image, generator: np.random.Generator) -> Image:
    height, width = (int(side) for side in generator.integers(*SIZES, 2))
    return np.ascontiguousarray(picture[:height, :width])


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
