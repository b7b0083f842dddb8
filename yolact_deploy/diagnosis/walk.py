"""The walk through the stages of two models that run on one image."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..artifacts.tensor_names import BOXES, CONF, MASKS, NETWORK_INPUT, detection_stages, tensor_stages
from ..artifacts.tolerances import NETWORK_GAIN, POSITION_ROUNDING, TOLERANCES, coarsest
from ..config.postprocess import PostprocessConfig
from ..ops.view import View
from ..types import Image
from .after_nms import OwnDetections, explain
from .culprit import Culprit, find_culprit
from .detections import MatchedDetections
from .differences import Difference, difference
from .probes import Probe


@dataclass(frozen=True)
class ModelFacts:
    """One of the two."""

    path: Path
    precision: str
    description: str  # what ran it and where


@dataclass(frozen=True)
class StageResult:
    """One stage of the walk."""

    stage: str
    difference: Difference | None  # None: skipped, because a model does not tell it, or no detection matches
    tolerance: float  # of the relative error
    is_ok: bool
    note: str


@dataclass(frozen=True)
class Comparison:
    """The walk."""

    reference: ModelFacts
    suspect: ModelFacts
    image_size: tuple[int, int]  # height, width, px
    tolerances: str  # precision that they are of
    stages: tuple[StageResult, ...]
    culprit: Culprit | None  # in the first stage that diverges
    notes: tuple[str, ...]

    @property
    def first_divergence(self) -> StageResult | None:
        """The first stage that leaves its tolerance."""
        return next((result for result in self.stages if not result.is_ok), None)


class Walk:
    """Both models, opened, and what they gave."""

    def __init__(
        self, paths: tuple[Path, Path], probes: tuple[Probe, Probe], image: Image, tolerance: float | None
    ) -> None:
        """paths and probes: reference, suspect. tolerance: of every stage; None: by precision."""
        self._paths = paths
        self._probes = probes
        self._image = image
        self._size = (image.shape[0], image.shape[1])
        self._rounding = POSITION_ROUNDING * max(self._size)  # that the resize may differ by
        self._precision = coarsest(*(probe.precision for probe in probes))
        self._tolerances = TOLERANCES[self._precision]
        self._override = tolerance
        self._network_stages = tensor_stages(probes[0].metadata.config)
        settings = _settings(probes)
        self._setting_notes = [f"A has {text}" for text in field_differences(*settings)]
        self._values = (probes[0].run(image, settings[0]), probes[1].run(image, settings[1]))
        self._resize_error = self._rounding_of_resize()
        view = View.of(probes[0].metadata.config.resize, *self._size)
        self._matched = MatchedDetections(self._values[0].detections, self._values[1].detections, view)
        self._own = [
            OwnDetections(probe, values, setting, view)
            for probe, values, setting in zip(probes, self._values, settings, strict=True)
        ]

    def result(self) -> Comparison:
        """Every stage, and what is to be said of the first that diverges."""
        stages = [self._network_stage(name) for name in self._network_stages]
        for name in detection_stages(self._probes[0].metadata.config):
            stages.append(self._detection_stage(name, is_fine_so_far=all(result.is_ok for result in stages)))
        untold = [result.stage for result in stages[: len(self._network_stages)] if result.difference is None]
        reference, suspect = (
            ModelFacts(path, probe.precision, probe.description)
            for path, probe in zip(self._paths, self._probes, strict=True)
        )
        first = next((result for result in stages if not result.is_ok), None)
        return Comparison(
            reference,
            suspect,
            image_size=self._size,
            tolerances=self._precision,
            stages=tuple(stages),
            culprit=self._culprit(first, stages) if first else None,
            notes=tuple(self._notes(untold)),
        )

    def _rounding_of_resize(self) -> float:
        """How far the networks' inputs are apart, where rounding explains it and both models tell; else 0."""
        a, b = (values.tensors.get(NETWORK_INPUT) for values in self._values)
        relative = 0.0 if a is None or b is None else difference(a, b).relative
        return relative if relative <= self._rounding else 0.0

    def _network_stage(self, stage: str) -> StageResult:
        tolerance = self._tolerance_of(stage)
        a, b = (values.tensors.get(stage) for values in self._values)
        if a is None or b is None:
            who = " and ".join(name for name, value in (("A", a), ("B", b)) if value is None)
            return StageResult(stage, None, tolerance, True, f"not told by {who}")
        note = _note(a, b)
        if stage == CONF:  # background is near 1 almost everywhere, and would hide what happens to the classes
            a, b = a[..., 1:], b[..., 1:]
        apart = difference(a, b)
        return StageResult(stage, apart, tolerance, apart.relative <= tolerance, note)

    def _detection_stage(self, stage: str, is_fine_so_far: bool) -> StageResult:
        """is_fine_so_far: whether everything before is within its tolerance."""
        tolerance = self._tolerance_of(stage)
        apart = self._matched.difference(stage)
        is_ok = (apart is None or apart.relative <= tolerance) and (stage != BOXES or self._has_same_detections())
        note = self._detection_note(stage)
        rights = [own.is_right(stage) for own in self._own]
        if rights[1] is False:
            is_ok = False
        elif not is_ok and is_fine_so_far and all(rights) and not self._setting_notes and self._override is None:
            is_ok, note = True, f"{note}: rounding before it"
        return StageResult(stage, apart, tolerance, is_ok, note)

    def _has_same_detections(self) -> bool:
        if self._precision == "fp32" or self._setting_notes:
            return self._matched.are_the_same
        # Rounding reorders the long tail of low scores.
        allowed = int(self._tolerances.lost_share * self._matched.required) + self._tolerances.lost_count
        return self._matched.lost <= allowed

    def _detection_note(self, stage: str) -> str:
        if stage == BOXES:
            return self._matched.describe()
        if self._matched.difference(stage) is None:
            return "nothing matches"
        iou = self._matched.mask_iou() if stage == MASKS else None
        return "" if iou is None else f"mean IoU {iou:.4f}"

    def _tolerance_of(self, stage: str) -> float:
        if self._override is not None:
            return self._override
        tolerance = self._tolerances.of(stage, is_packed=self._matched.is_packed)
        if stage == NETWORK_INPUT:
            return max(tolerance, self._rounding)
        return tolerance + NETWORK_GAIN * self._resize_error

    def _culprit(self, first: StageResult, stages: list[StageResult]) -> Culprit | None:
        if first.stage not in self._network_stages:
            return explain(first.stage, *self._own)
        earlier = [result.stage for result in stages[: stages.index(first)] if result.difference is not None]
        return find_culprit(*self._probes, self._image, first.stage, earlier, first.tolerance)

    def _notes(self, skipped: list[str]) -> list[str]:
        notes = list(self._setting_notes)
        for path, probe, values in zip(self._paths, self._probes, self._values, strict=True):
            lacking = [stage for stage in skipped if stage not in values.tensors]
            if lacking:
                notes.append(f"skipped {', '.join(lacking)}: {path} {probe.advice()}")
        a, b = (probe.metadata.checkpoint_sha256 for probe in self._probes)
        if a and b and a != b:
            notes.append("A and B were made from different checkpoints")
        return notes


def _note(a: np.ndarray, b: np.ndarray) -> str:
    """What makes two tensors incomparable, or nothing."""
    if a.shape != b.shape:
        return f"shapes {list(a.shape)}, {list(b.shape)}"
    faulty = [name for name, values in (("A", a), ("B", b)) if not np.isfinite(values).all()]
    return f"not finite in {' and '.join(faulty)}" if faulty else ""


def field_differences(a: Any, b: Any, left_out: tuple[str, ...] = ()) -> list[str]:
    """Fields of two values of one dataclass that differ, such as "image_size 256, not 550"."""
    found = []
    for name in (field.name for field in dataclasses.fields(a) if field.name not in left_out):
        mine, other = getattr(a, name), getattr(b, name)
        if mine == other:
            continue
        if dataclasses.is_dataclass(mine) and _short(mine) == _short(other):
            found += [f"{name}.{text}" for text in field_differences(mine, other)]
        else:
            found.append(f"{name} {_short(mine)}, not {_short(other)}")
    return found


def _short(value: object) -> str:
    describe = getattr(value, "describe", None)
    return str(describe() if describe else value)


def _settings(probes: tuple[Probe, Probe]) -> tuple[PostprocessConfig, PostprocessConfig]:
    """The thresholds of both. A checkpoint has none of its own: it takes those of the other."""
    own = [probe.metadata.postprocess if probe.brings_postprocess else None for probe in probes]
    shared = own[0] or own[1] or probes[0].metadata.postprocess
    return own[0] or shared, own[1] or shared
