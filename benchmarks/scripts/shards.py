"""Many pictures: plain `infer`, `--shards` with one and more workers, and Ray, each from its start to its end.

    python -m yolact_deploy.benchmarks.scripts.shards model.onnx [--pictures 512] [--workers 2] [--runs 3] [--json FILE]

Each way begins with an empty folder and ends when every picture is done; processes and models are started within the
time. They take turns. Ray is measured where it is installed: one actor, since Ray Data needs a core for itself.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yolact_deploy import console
from yolact_deploy.benchmarks.hardware import describe_hardware
from yolact_deploy.benchmarks.performance.subprocesses import run_module
from yolact_deploy.benchmarks.scripts.arguments import positive
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import write_json

ROOT = Path(__file__).resolve().parents[2]  # the package reaches this file through a link
PICTURES = ROOT / "benchmarks/data/nano/images"
PLAIN = "infer"
SHARD_SIZE = 32  # pictures


def make_pictures(folder: Path, count: int) -> Path:
    """Links to the bundled pictures, each as often as it takes."""
    folder.mkdir()
    bundled = sorted(PICTURES.glob("*.jpg"))
    for index in range(count):
        (folder / f"picture{index:06d}.jpg").symlink_to(bundled[index % len(bundled)])
    return folder


def infer(folder: Path, pictures: Path, model: Path, *options: str) -> None:
    """The command, in a process of its own."""
    command = ["infer", str(pictures), "--model", str(model), *options]
    run_module("yolact_deploy", command, " ".join(options[:1]) + f" into {folder.name}")


def ray(folder: Path, pictures: Path, model: Path) -> None:
    """The example, on this machine. Raises YolactDeployError."""
    script = [sys.executable, str(ROOT / "examples/ray_infer.py"), str(pictures), "--model", str(model)]
    options = ["--shards", str(folder), "--shard-size", str(SHARD_SIZE), "--actors", "1"]
    path = os.pathsep.join([str(ROOT), *(part for part in sys.path if part)])
    done = subprocess.run(
        [*script, *options], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    if done.returncode:
        raise YolactDeployError(f"Ray failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")


def measure(model: Path, count: int, workers: int, runs: int) -> dict[str, Any]:
    """Seconds of each way, all runs. Raises YolactDeployError."""
    with tempfile.TemporaryDirectory(prefix="yolact-shards-") as name:
        root = Path(name)
        pictures = make_pictures(root / "pictures", count)
        size = ("--shard-size", str(SHARD_SIZE))

        def plain(folder: Path) -> None:
            infer(folder, pictures, model, "--json", str(folder / "a.json"))

        def shards(folder: Path, number: int) -> None:
            infer(folder, pictures, model, "--shards", str(folder), *size, "--workers", str(number))

        ways: dict[str, Callable[[Path], None]] = {
            PLAIN: plain,
            "--shards --workers 1": lambda folder: shards(folder, 1),
            f"--shards --workers {workers}": lambda folder: shards(folder, workers),
        }
        if importlib.util.find_spec("ray") is not None:
            ways["Ray, 1 actor"] = lambda folder: ray(folder, pictures, model)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(runs):
            for way, run in ways.items():
                folder = root / "job"
                folder.mkdir()
                start = time.perf_counter()
                run(folder)
                seconds[way].append(time.perf_counter() - start)
                last = 0.0 if way == PLAIN else _merged_in(folder, root)
                shutil.rmtree(folder)
        return {
            "model": model.name,
            "pictures": count,
            "shard_size": SHARD_SIZE,
            "runs": runs,
            "seconds": seconds,
            "images_per_second": {way: count / statistics.median(times) for way, times in seconds.items()},
            "merge_seconds": last,
            "commit": _commit(),
            "hardware": asdict(describe_hardware()),
        }


def _merged_in(folder: Path, root: Path) -> float:
    """How long `--merge` takes, s."""
    start = time.perf_counter()
    run_module("yolact_deploy", ["infer", "--merge", str(folder), "--json", str(root / "m.json"), "--force"], "--merge")
    return time.perf_counter() - start


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=positive, default=512, help="(default: %(default)s)")
    parser.add_argument("--workers", type=positive, default=2, help="(default: %(default)s)")
    parser.add_argument("--runs", type=positive, default=3, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    try:
        found = measure(given.model.resolve(), given.pictures, given.workers, given.runs)
        if given.json:
            write_json(given.json, found)
    except YolactDeployError as error:
        console.fail(str(error))
        return error.exit_status
    rows = [(way, f"{rate:.1f}") for way, rate in found["images_per_second"].items()]
    console.show_table(("way", "images per second"), rows, numbers=("images per second",))
    return 0


if __name__ == "__main__":
    sys.exit(main())
