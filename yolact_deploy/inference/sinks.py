"""Which outputs are asked for, and that none of them destroys an input."""

from __future__ import annotations

import glob
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..config.model import ModelConfig
from ..errors import OutputError
from ..files import check_distinct, file_identity, file_name, make_output_folder
from ..images import IMAGE_SUFFIXES
from .coco_file import CocoFile, ResultsFile, SizeCheck
from .coco_ids import CocoIds, annotation_ids, model_ids
from .frames import Note, Sink
from .json_sink import STDOUT
from .label_studio_file import LabelStudioFile
from .options import InferOptions
from .picture_sinks import CutoutFolder, PictureFolder, plan_outputs
from .sources import OpenedSource
from .video_file import VIDEO_SUFFIXES, VideoFile
from .window import Window

# Never meant as a folder.
_OTHER_VIDEOS = (".wmv", ".flv", ".gif", ".mpg", ".mpeg", ".ts", ".ogv", ".3gp", ".h264")


@dataclass(frozen=True)
class _Plan:
    """A sink that is not open yet, and the files that it will replace or create."""

    open: Callable[[], Sink]
    targets: tuple[Path, ...] = ()


def open_sinks(
    options: InferOptions, opened: OpenedSource, config: ModelConfig, stop: Callable[[], None], note: Note
) -> list[Sink]:
    """Everything that `options` asks for; when one cannot be opened, nothing is left of the others.

    stop: ends the run, for the window. Raises OutputError, and DataError for annotations that do not fit.
    """
    inputs = _inputs(options, opened)
    plans = [*_json_plans(options, opened, config, note), *_label_studio_plans(options, opened, config, note)]
    if options.output is not None:
        plans.insert(0, _main_plan(options.output, options, opened, note))
    if (folder := options.cutouts) is not None:
        plans.append(_Plan(lambda: CutoutFolder(folder, config.class_names, options.force, frozenset(inputs))))
    if options.show:
        plans.append(_Plan(lambda: Window(stop)))
    targets = [target for plan in plans for target in plan.targets]
    for target in targets:
        if (replaced := inputs.get(file_identity(target))) is not None:
            raise OutputError(f"{target} would replace its source or another input, {replaced}: choose another output")
    check_distinct(targets)
    sinks: list[Sink] = []
    try:
        for plan in plans:
            sinks.append(plan.open())  # noqa: PERF401 those that are open must be known when one fails
    except BaseException:
        for sink in sinks:
            sink.close(keep=False)
        raise
    return sinks


def _inputs(options: InferOptions, opened: OpenedSource) -> dict[tuple[int, int] | None, Path]:
    """Every file that is read, by identity; with a model also the files that belong to it by name."""
    files = [*opened.files, *options.other_inputs]
    for path in options.other_inputs:
        files += map(Path, glob.glob(f"{glob.escape(str(path))}.*"))
    found = {file_identity(path): path for path in files}
    found.pop(None, None)
    return found


def _json_plans(options: InferOptions, opened: OpenedSource, config: ModelConfig, note: Note) -> list[_Plan]:
    if not options.files_with_ids:
        return []
    ids = model_ids(config) if options.annotations is None else annotation_ids(options.annotations, config)
    ids.check_pictures(opened.picture_names)
    for text in (*ids.notes, *ids.missing_pictures(opened.picture_names)):
        note(text)
    plans = [_Plan(lambda: SizeCheck(ids, note))] if options.annotations is not None else []
    for path, as_polygons in ((options.json, False), (options.polygons, True)):
        if path is not None:
            plans.append(_json_plan(path, lambda p=path, a=as_polygons: _coco(p, ids, config, a, options.force)))  # type: ignore[misc]
    if (path := options.results) is not None:
        plans.append(_json_plan(path, lambda p=path: ResultsFile(p, ids, options.force)))  # type: ignore[misc]
    return plans


def _label_studio_plans(options: InferOptions, opened: OpenedSource, config: ModelConfig, note: Note) -> list[_Plan]:
    if (target := options.label_studio) is None:
        return []
    if not opened.picture_names:
        raise OutputError(
            f"{target.path}: a task of Label Studio is a picture file, and the source gives frames: write them as "
            "pictures first, as with ffmpeg -i VIDEO frames/%06d.jpg"
        )
    opening = partial(LabelStudioFile, target, config.class_names, config.name, note, options.force)
    return [_json_plan(target.path, opening)]


def _coco(path: Path, ids: CocoIds, config: ModelConfig, as_polygons: bool, force: bool) -> Sink:
    return CocoFile(path, ids, config.rescores_masks, as_polygons, force)


def _json_plan(path: Path, opening: Callable[[], Sink]) -> _Plan:
    return _Plan(opening, () if str(path) == STDOUT else (path,))


def _main_plan(output: Path, options: InferOptions, opened: OpenedSource, note: Note) -> _Plan:
    """Where drawn frames go: a folder of pictures, one picture, or a video."""
    suffix = "" if output.is_dir() else output.suffix.lower()
    is_video = suffix in VIDEO_SUFFIXES
    if suffix in _OTHER_VIDEOS:
        raise OutputError(f"{output}: cannot write {suffix}; use a folder, or one of {', '.join(VIDEO_SUFFIXES)}")
    if suffix in IMAGE_SUFFIXES and len(opened.picture_names) != 1:
        raise OutputError(f"{output} is the name of one picture: name a folder for what the source gives")
    if is_video and opened.picture_names:
        raise OutputError(f"{output}: pictures are drawn into a folder, not into a video")
    if suffix in IMAGE_SUFFIXES:
        return _Plan(lambda: PictureFolder(output.parent, (output,), options.force), (output,))
    if opened.picture_names:
        targets = plan_outputs(opened.picture_names, make_output_folder(output), options.force)
        return _Plan(lambda: PictureFolder(output, targets, options.force), targets)
    if opened.video_name is None and not is_video:
        return _Plan(lambda: PictureFolder(output, force=options.force))
    target = output if is_video else output / file_name(Path(opened.video_name or "").stem, ".mp4")
    return _Plan(lambda: VideoFile(target, opened.form, note, options.codec, options.force), (target,))
