"""The finished shards of a job as the files that `infer` writes of all its pictures at once."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from ...errors import DataError, OutputError, listed
from ...types import Advance
from ..frames import Frame, Note, Result
from ..image_ids import image_id
from ..options import InferOptions
from ..picture_sources import FoundPictures, PictureFiles
from ..sinks import open_sinks
from ..sources import OpenedSource
from .job import ShardJob
from .results import StoredPicture, missing_shards, read_shard, result_files

_MAX_NOTES = 20  # of shards, that are repeated


@dataclass(frozen=True)
class MergeReport:
    """What was joined."""

    pictures: int
    detections: int
    failures: tuple[str, ...]  # one line for each picture that could not be used


def merge_shards(
    job: ShardJob, options: InferOptions, note: Note, advance: Advance = lambda done, total: None
) -> MergeReport:
    """Write the JSON files that `options` asks for, in the order of the pictures.

    Raises DataError when shards are missing or damaged, OutputError when a file cannot be written; then nothing is left
    of the files.
    """
    check_mergeable(options)
    if missing := missing_shards(job):
        raise DataError(
            f"{job.folder}: {len(missing)} of {job.shards} shards are missing ({listed([str(n) for n in missing])}): "
            "start the job again until it is done, then merge"
        )
    nothing = PictureFiles(FoundPictures((), (), job.folder), note)  # the pictures themselves are not read
    files = (*result_files(job), *(path for path in job.folder.iterdir() if path.is_file()))
    opened = OpenedSource(nothing, job.names, files)
    sinks = open_sinks(options, opened, job.config, lambda: None, note)
    failures: list[str] = []
    notes: dict[str, None] = {}
    pictures = detections = 0
    is_done = False
    with ExitStack() as closing:
        for sink in sinks:  # each, whatever becomes of the others
            closing.callback(lambda one: one.close(is_done), sink)
        for shard in range(job.shards):
            stored, texts = read_shard(job, shard)
            notes.update(dict.fromkeys(texts))
            for picture in stored:
                result = _result(picture)
                if result is None:
                    failures.append(picture.failure)
                    continue
                for sink in sinks:
                    sink.write(result)
                pictures += 1
                detections += len(result.detections)
            advance(job.range_of(shard).stop, len(job.names))
        if pictures == 0:
            raise DataError(f"none of {len(failures)} pictures could be used; the first: {failures[0]}")
        is_done = True
    for text in list(notes)[:_MAX_NOTES]:
        note(text)
    if len(notes) > _MAX_NOTES:
        note(f"{len(notes) - _MAX_NOTES} more notes are in {job.results}")
    return MergeReport(pictures, detections, tuple(failures))


def check_mergeable(options: InferOptions) -> None:
    """Raises OutputError for outputs that need the pictures."""
    if options.output is not None or options.cutouts is not None or options.show:
        raise OutputError(
            "shards hold detections without pictures: only JSON files can be written of them (--json, --polygons, "
            "--results); to draw, run infer without --shards"
        )


def _result(picture: StoredPicture) -> Result | None:
    if picture.detections is None:
        return None
    no_pixels = np.zeros((0, 0, 3), np.uint8)
    return Result(Frame(picture.index, image_id(picture.name), picture.name, no_pixels), picture.detections, None)
