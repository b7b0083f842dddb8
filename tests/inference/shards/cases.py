"""A small job for the tests: eight pictures, two per shard."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from yolact_deploy.inference.options import InferOptions
from yolact_deploy.inference.picture_sources import find_pictures
from yolact_deploy.inference.run import InferRun
from yolact_deploy.inference.selection import Selection
from yolact_deploy.inference.shards.job import Facts, JobDescription, ShardJob, open_job
from yolact_deploy.inference.shards.liveness import Timing
from yolact_deploy.inference.shards.merge import merge_shards
from yolact_deploy.inference.sources import open_source
from yolact_deploy.predictor import Predictor

ROOT = Path(__file__).parents[3]  # without tests.conftest: processes would import PyTorch with it
PICTURES = sorted((ROOT / "benchmarks/data/nano/images").glob("*.jpg"))[:8]
SHARD_SIZE = 2
QUICK = Timing(beat=0.02, stale=0.3, look=0.02)  # s
OPTIONS = InferOptions("", shards=Path("unused"), selection=Selection(0.3))


def make_source(folder: Path) -> Path:
    """A folder of links to the pictures."""
    folder.mkdir()
    for path in PICTURES:
        (folder / path.name).symlink_to(path)
    return folder


def join(folder: Path, source: Path, predictor: Predictor, facts: Facts | None = None) -> ShardJob:
    names = find_pictures(source).names
    return JobDescription(names, SHARD_SIZE, predictor.metadata.config, facts or {}).join(folder)


def plain(source: Path, target: Path, predictor: Predictor) -> bytes:
    """What infer writes without shards."""
    options = InferOptions(str(source), json=target, selection=Selection(0.3))
    InferRun(predictor, options, open_source(options)).run()
    return target.read_bytes()


def merged(folder: Path, target: Path) -> bytes:
    """What the shards are joined to; each picture is in one of them, and once."""
    job = open_job(folder)
    merge_shards(job, InferOptions(str(folder), json=target), print)
    lines = [json.loads(line) for path in sorted(job.results.glob("0*")) for line in path.read_text().splitlines()]
    assert Counter(line["name"] for line in lines if "name" in line) == Counter(job.names)
    return target.read_bytes()
