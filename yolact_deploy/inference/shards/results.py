"""The file of a finished shard: one line for each of its pictures, in order, then one that ends it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, OutputError
from ...files import Draft
from ...formats.rle import decode_rle, encode_rle
from ...types import WindowedDetections
from ..frames import Result
from .job import ShardJob

_MAX_SIDE = 1 << 20  # px, of a picture


@dataclass(frozen=True)
class StoredPicture:
    """What became of one picture."""

    index: int  # in the job
    name: str
    detections: WindowedDetections | None  # None: it could not be used
    failure: str = ""  # then the reason


class ShardSink:
    """A sink that keeps the lines of one shard until they are written together."""

    needs_drawing = False

    def __init__(self) -> None:
        self.lines: dict[int, str] = {}  # by the index of the picture in the job

    def write(self, result: Result) -> None:
        """Take what was found in one picture."""
        found = result.detections
        detections = [_record(found, index) for index in range(len(found))]
        record = {"index": result.frame.index, "name": result.frame.name, "width": found.width, "height": found.height}
        self.lines[result.frame.index] = json.dumps({**record, "detections": detections})

    def close(self, keep: bool) -> None:
        """Whoever has the sink writes the file."""


def _record(found: WindowedDetections, index: int) -> dict[str, Any]:
    return {
        "class": int(found.classes[index]),
        "box": found.boxes[index].tolist(),
        # The shortest decimals that still are the same float32.
        "score": float(str(found.scores[index])),
        "mask_score": float(str(found.mask_scores[index])),
        "counts": encode_rle(found.masks[index], found.height, found.width),
    }


def write_shard(job: ShardJob, shard: int, sink: ShardSink, failures: Sequence[str], notes: Sequence[str]) -> None:
    """Write the file of a shard, whole or not at all; one that exists stays as it is.

    failures: a line for each picture that `sink` did not get, in order. Raises OutputError.
    """
    lines = []
    reasons = iter(failures)
    for index in job.range_of(shard):
        line = sink.lines.get(index)
        if line is None:
            line = json.dumps({"index": index, "name": job.names[index], "failure": next(reasons, "not read")})
        lines.append(line)
    lines.append(json.dumps({"job": job.identity, "shard": shard, "notes": list(notes)}))
    path = job.result_path(shard)
    try:
        draft = Draft(path)
        try:
            draft.path.write_text("\n".join(lines) + "\n", encoding="ascii")
            draft.keep_if_first()
        finally:
            draft.discard()
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; nothing was kept of this shard: another worker takes it"
        ) from None


def read_shard(job: ShardJob, shard: int) -> tuple[list[StoredPicture], list[str]]:
    """The pictures of a finished shard and its notes.

    Raises DataError when the file is damaged, of another job, or does not have each of its pictures exactly once.
    """
    path = job.result_path(shard)
    try:
        lines = path.read_bytes().split(b"\n")
        end = json.loads(lines[-2])
        if end["job"] != job.identity or end["shard"] != shard or lines[-1]:
            raise ValueError("it is of another job or shard")
        pictures = list(_pictures(lines[:-2]))
        expected = [(index, job.names[index]) for index in job.range_of(shard)]
        if [(picture.index, picture.name) for picture in pictures] != expected:
            raise ValueError("its pictures are not those of the shard")
        for picture in pictures:
            _check_classes(picture.detections, job.config.num_classes)
        return pictures, [str(note) for note in end["notes"]]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {error}): delete it, and start the job again"
        ) from None


def _pictures(lines: Sequence[bytes]) -> Iterator[StoredPicture]:
    for line in lines:
        record = json.loads(line)
        if "failure" in record:
            yield StoredPicture(record["index"], record["name"], None, str(record["failure"]))
        else:
            yield StoredPicture(record["index"], record["name"], _detections(record))


def _check_classes(found: WindowedDetections | None, count: int) -> None:
    if found is not None and len(found) and not 0 <= int(found.classes.min()) <= int(found.classes.max()) < count:
        raise ValueError("a class that the model does not have")


def _detections(record: dict[str, Any]) -> WindowedDetections:
    height, width, found = record["height"], record["width"], record["detections"]
    if not all(type(side) is int and 0 < side < _MAX_SIDE for side in (height, width)):
        raise ValueError(f"a picture of {width}x{height} px")
    return WindowedDetections(
        boxes=np.array([item["box"] for item in found], np.int64).reshape(-1, 4),
        scores=np.array([item["score"] for item in found], np.float32),
        mask_scores=np.array([item["mask_score"] for item in found], np.float32),
        classes=np.array([item["class"] for item in found], np.int64),
        masks=tuple(decode_rle(item["counts"], height, width) for item in found),
        height=height,
        width=width,
    )


def missing_shards(job: ShardJob) -> list[int]:
    """The shards that no worker has finished yet."""
    finished = job.finished()
    return [shard for shard in range(job.shards) if shard not in finished]


def result_files(job: ShardJob) -> tuple[Path, ...]:
    """The files of all shards."""
    return tuple(job.result_path(shard) for shard in range(job.shards))
