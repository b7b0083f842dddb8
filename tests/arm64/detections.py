"""Detections of a model on two machines: `find MODEL FOLDER OUT.npz` on each, then `compare HERE.npz THERE.npz`."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import numpy as np

from yolact_deploy import Predictor
from yolact_deploy.images import read_image

SCORE_TOLERANCE = 1e-6


def find(model: Path, folder: Path, output: Path) -> None:
    """What `model` finds in every picture of `folder`."""
    arrays: dict[str, np.ndarray] = {"machine": np.array(platform.machine())}
    with Predictor.open(model, device="cpu", threads=1) as predictor:
        for path in sorted(folder.iterdir()):
            found = predictor(read_image(path))
            for name in ("boxes", "scores", "classes", "masks"):
                arrays[f"{path.stem}/{name}"] = getattr(found, name)
    np.savez_compressed(output, **arrays)


def compare(here: Path, there: Path) -> None:
    """Raises AssertionError unless boxes, classes and masks are equal, and scores within SCORE_TOLERANCE."""
    first, second = np.load(here), np.load(there)
    assert first.files == second.files
    largest, count = 0.0, 0
    for name in first.files:
        if name.endswith("/scores"):
            np.testing.assert_allclose(second[name], first[name], rtol=0, atol=SCORE_TOLERANCE, err_msg=name)
            largest = max(largest, float(np.abs(second[name] - first[name]).max(initial=0)))
            count += len(first[name])
        elif name != "machine":
            np.testing.assert_array_equal(second[name], first[name], err_msg=name)
    assert count > 0, "nothing was found"
    print(f"{count} detections on {first['machine']} and {second['machine']}: boxes, classes and masks equal, "
          f"scores within {largest:.1e}")  # fmt: skip


if __name__ == "__main__":
    {"find": find, "compare": compare}[sys.argv[1]](*map(Path, sys.argv[2:]))
