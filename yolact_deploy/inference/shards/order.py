"""Everything that a worker process needs to know to take part in a job."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...artifacts.runtime_choice import RuntimeChoice
from ...files import sha256_of
from ...predictor import Predictor
from ...types import Advance
from ..options import InferOptions
from ..selection import Selection
from .job import SHARD_SIZE, Facts, JobDescription, ShardJob
from .liveness import Timing
from .worker import ShardWorker


@dataclass(frozen=True)
class WorkOrder:
    """A job and how to do it. It can be sent to another process."""

    folder: Path  # of the job
    root: Path  # that names are relative to
    names: tuple[str, ...]  # of the pictures, in order
    options: InferOptions  # its selection is made by `select`
    model: Path
    opening: dict[str, Any] = field(default_factory=dict)  # what Predictor.open is given besides
    select: Callable[[Predictor], Selection] = lambda predictor: Selection()
    shard_size: int = SHARD_SIZE
    timing: Timing = field(default_factory=Timing)

    def open_predictor(self) -> Predictor:
        """Raises as Predictor.open."""
        return Predictor.open(self.model, **self.opening)

    def join(self, predictor: Predictor) -> tuple[ShardJob, InferOptions]:
        """Begin the job or go on with it; gives the options with their selection, too.

        Raises ConfigError for a selection that the model does not have, OutputError for a folder of another job.
        """
        config = predictor.metadata.config
        options = dataclasses.replace(self.options, selection=self.select(predictor))
        facts = _facts(options, self.model, self.opening)
        return JobDescription(self.names, self.shard_size, config, facts).join(self.folder), options

    def worker(self, predictor: Predictor, advance: Advance | None = None) -> ShardWorker:
        """A worker for the job. Raises as `join`."""
        job, options = self.join(predictor)
        return ShardWorker(job, self.root, predictor, options, self.timing, advance=advance)


def _facts(options: InferOptions, model: Path, opening: dict[str, Any]) -> Facts:
    """What decides about the result besides pictures and configuration, under the names that a user knows."""
    chosen = RuntimeChoice.parse(model)
    facts = {
        "model's SHA-256": sha256_of(chosen.file),
        "--runtime": chosen.runtime or opening.get("runtime"),
        "--precision": chosen.precision or opening.get("precision"),
        "--max-pixels": options.max_pixels,
        "--roi": options.region,
    }
    for entry in dataclasses.fields(options.selection):
        value = getattr(options.selection, entry.name)
        value = sorted(value) if isinstance(value, frozenset) else value
        facts[f"--{entry.name.replace('_', '-')}"] = value.tolist() if isinstance(value, np.ndarray) else value
    return {name: str(value) for name, value in facts.items() if value is not None}


def threads_per_worker(workers: int) -> int:
    """CPU threads of each of `workers` on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers)
