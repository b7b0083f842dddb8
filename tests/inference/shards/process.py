"""A worker as a process: python -m tests.inference.shards.process JOB SOURCE MODEL MACHINE FAULT.

FAULT: none; cut (the process dies between the writing of its second result and its name); poison (it dies whenever it
reads the third picture); full (no room for results from the second on).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.inference.shards.cases import OPTIONS, PICTURES, QUICK, join
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.inference import picture_sources
from yolact_deploy.inference.shards.worker import ShardWorker
from yolact_deploy.predictor import Predictor


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def plant(fault: str, results: Path) -> None:
    """Let a fault happen from now on."""
    link, read = os.link, picture_sources.read_image

    def cut(source: Any, target: Any) -> None:
        if list(results.glob("0*.jsonl")):
            die()
        link(source, target)

    def full(source: Any, target: Any) -> None:
        if list(results.glob("0*.jsonl")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        link(source, target)

    def poison(path: Path, **options: Any) -> Any:
        if path.name == PICTURES[2].name:
            die()
        return read(path, **options)

    if fault in ("cut", "full"):
        os.link = cut if fault == "cut" else full
    elif fault == "poison":
        picture_sources.read_image = poison


def main(folder: Path, source: Path, model: Path, machine: str, fault: str) -> None:
    with Predictor.open(model, threads=1) as predictor:
        job = join(folder, source, predictor)
        plant(fault, job.results)
        with ShardWorker(job, source, predictor, OPTIONS, QUICK, machine) as worker:
            worker.run()


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:4]), *sys.argv[4:6])
    except YolactDeployError as error:
        sys.exit(f"error: {error}")
