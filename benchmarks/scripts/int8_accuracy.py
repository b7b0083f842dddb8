"""int8 files of one model judged against its fp32 file, on a data set large enough for it.

    python -m yolact_deploy.benchmarks.scripts.int8_accuracy MODEL.onnx --calibration FOLDER --data FOLDER [--json FILE]

`make_nano_data` draws both folders for the bundled model, with different seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yolact_deploy import console
from yolact_deploy.benchmarks.accuracy.against_reference import AgainstReference
from yolact_deploy.benchmarks.hardware import describe_hardware
from yolact_deploy.benchmarks.performance.subprocesses import run_module
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import write_json
from yolact_deploy.predictor import Predictor

VARIANTS = {  # title -> options of convert-precision
    **{f"cpu, {name}": ("--layout", "cpu", "--method", name) for name in ("minmax", "percentile", "entropy", "mse")},
    "tensorrt, minmax": ("--layout", "tensorrt"),
    "tensorrt, minmax, the rest fp16": ("--fp16",),
    "tensorrt, minmax, yolact-edge": ("--recipe", "yolact-edge"),
}


def judge(model: Path, calibration: Path, data: Path) -> dict[str, Any]:
    """Every variant, as the JSON file has it. Raises YolactDeployError."""
    against = AgainstReference(model, data)
    rows = {}
    with tempfile.TemporaryDirectory(prefix="yolact-int8-") as folder:
        saved, path = Path(folder) / "statistics.json", Path(folder) / "int8.onnx"

        def convert(*options: str) -> None:
            arguments = ["convert-precision", str(model), "--int8", "--force", "-o", str(path), *options]
            run_module("yolact_deploy", arguments, f"converting {model}")

        # With a method that needs histograms, the statistics serve every other one.
        convert("--layout", "cpu", "--method", "mse", "--calibration", str(calibration), "--statistics", str(saved))
        for title, options in VARIANTS.items():
            convert("--statistics", str(saved), *options)
            rows[title] = parity = against.parity(path)
            matches = parity.matches
            console.say(
                f"{title:34} box {parity.box_difference:+.2f}  mask {parity.mask_difference:+.2f}  matched "
                f"{matches.rate:.2%}  mask IoU {matches.mean_mask_iou:.4f}"
            )
    with Predictor.open(model, device="cpu") as predictor:
        metadata = predictor.metadata
    return {
        "config": metadata.config.name,
        "checkpoint_sha256": metadata.checkpoint_sha256,
        "calibration": calibration.name,
        "data": against.describe_data(),
        "parity": {title: {**asdict(parity), "match_rate": parity.matches.rate} for title, parity in rows.items()},
        "hardware": asdict(describe_hardware()),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m yolact_deploy.benchmarks.scripts.int8_accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--calibration", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        found = judge(given.model, given.calibration, given.data)
        if given.json:
            write_json(given.json, found)
    except YolactDeployError as error:
        console.fail(str(error))
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
