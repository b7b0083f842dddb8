"""Inside the first stage that diverges: which operator it begins with, where the two models can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..types import Image
from .differences import EQUAL, Difference, difference
from .operators import Operator, Structure
from .probes import Probe


@dataclass(frozen=True)
class Culprit:
    """Where a divergence begins."""

    operator: str  # such as "Conv fpn.lat_layers.0"
    node: str  # its name in the suspect's file, or in the reference's; empty where there is none
    reason: str  # what is wrong with it
    relative: float | None = None  # its relative error; None where only one model has it

    def describe(self) -> str:
        """In a line."""
        return f"{self.operator}{f' (node {self.node})' if self.node else ''}: {self.reason}"


def find_culprit(
    reference: Probe, suspect: Probe, image: Image, stage: str, earlier: Sequence[str], tolerance: float
) -> Culprit | None:
    """The first operator of `stage` that leaves `tolerance`, or that only one of the models has.

    earlier: the stages before it, whose operators are not looked at. None when a model does not tell its operators, or
    when all that both have agree.
    """
    ours, theirs = reference.structure(), suspect.structure()
    if ours is None or theirs is None or stage not in ours.stages or stage not in theirs.stages:
        return None
    ours, theirs = ours.with_whole_layers(theirs), theirs.with_whole_layers(ours)
    inside = ours.inside(stage, earlier)
    walked = _walk(reference, suspect, image, [operator for operator in inside if operator.key in theirs.operators])
    diverging = next(
        (operator for operator in inside if not walked.get(operator.key, EQUAL).relative <= tolerance), None
    )
    # A quantiser folds activations into the rounding, so that what is missing in its graph says nothing.
    if "int8" not in (reference.precision, suspect.precision):
        changed = _structural(ours, theirs, stage, earlier, diverging)
        if changed is not None:
            return changed
    if diverging is None:
        return None
    unknown = {operator.key for operator in inside} - set(walked)
    inputs = "could not be compared" if unknown & set(diverging.inputs) else "agrees"
    apart = walked[diverging.key]
    found = "what it gives is not finite" if math.isinf(apart.max_abs) else f"relative error {apart.relative:.1e}"
    node = theirs.operators[diverging.key].node or diverging.node
    return Culprit(diverging.label, node, f"{found}, and what it reads {inputs}", apart.relative)


def _walk(reference: Probe, suspect: Probe, image: Image, operators: Sequence[Operator]) -> dict[str, Difference]:
    """Differences of the results of `operators` by key, without those whose results cannot be compared."""
    keys = [operator.key for operator in operators]
    ours, theirs = reference.values(image, keys), suspect.values(image, keys)
    return {
        key: difference(ours[key], theirs[key])
        for key in keys
        # Where shapes differ, the stage as a whole says whether that matters.
        if key in ours and key in theirs and ours[key].shape == theirs[key].shape
    }


def _structural(
    ours: Structure, theirs: Structure, stage: str, earlier: Sequence[str], diverging: Operator | None
) -> Culprit | None:
    """An operator that only one model has, where the divergence can come from it: before the first that diverges."""
    if diverging is None:
        missing = [operator for operator in ours.inside(stage, earlier) if operator.key not in theirs.operators]
        added = [operator for operator in theirs.inside(stage, earlier) if operator.key not in ours.operators]
    else:
        key = diverging.key
        reads, others = ours.operators[key].inputs, theirs.operators[key].inputs
        missing = [ours.operators[name] for name in reads if name in ours.operators and name not in theirs.operators]
        added = [theirs.operators[name] for name in others if name in theirs.operators and name not in ours.operators]
    if missing:
        return Culprit(missing[0].label, missing[0].node, "the second model has no such operator there")
    if added:
        return Culprit(added[0].label, added[0].node, "the first model has no such operator there")
    return None
