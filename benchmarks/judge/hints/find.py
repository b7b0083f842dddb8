"""All hints of one model."""

from __future__ import annotations

from yolact_deploy.benchmarks.judge.hints.boxes import box_hints
from yolact_deploy.benchmarks.judge.hints.class_names import class_hints
from yolact_deploy.benchmarks.judge.hints.evidence import Evidence, Hint
from yolact_deploy.benchmarks.judge.hints.files import file_hints
from yolact_deploy.benchmarks.judge.hints.hidden import hidden_hints
from yolact_deploy.benchmarks.judge.hints.masks import mask_hints
from yolact_deploy.benchmarks.judge.hints.probes import probe_hints
from yolact_deploy.predictor import Predictor


def find_hints(evidence: Evidence, predictor: Predictor | None = None) -> tuple[Hint, ...]:
    """What the numbers point to. predictor: the model, to run it on changed pictures; None: that is left out.

    One fault has many consequences: where boxes do not fit, masks do not either, and scores say nothing.
    """
    hints = file_hints(evidence)
    about_boxes = [] if any(hint.cause == "box form" for hint in hints) else box_hints(evidence)
    if predictor is not None and any(hint.cause == "box shift" for hint in about_boxes):
        # Anchors that do not fit the input's size shift boxes, too.
        about_size = [hint for hint in probe_hints(evidence, predictor) if hint.cause == "image size"]
        about_boxes = about_size or about_boxes
    hints += about_boxes
    if not about_boxes:
        hints += mask_hints(evidence)
    about_classes = class_hints(evidence)
    hints += about_classes
    if not about_boxes and not about_classes:
        hints += hidden_hints(evidence)
        hints += [] if predictor is None else probe_hints(evidence, predictor)
    return tuple(hints)
