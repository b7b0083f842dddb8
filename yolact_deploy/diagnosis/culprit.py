"""Inside the first stage that diverges: which operator it begins with, where the two models can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..types import Image
from .differences import difference
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
    inside = ours.inside(stage, earlier)
    shared = [operator for operator in inside if operator.key in theirs.operators]
    diverging = _first_diverging(reference, suspect, image, shared, tolerance)
    # A quantiser folds activations into the rounding, so that what is missing in its graph says nothing.
    if "int8" not in (reference.precision, suspect.precision):
        changed = _structural(ours, theirs, stage, earlier, diverging)
        if changed is not None:
            return changed
    if diverging is None:
        return None
    operator, relative = diverging
    return Culprit(
        operator.label, _node(operator, theirs), f"relative error {relative:.1e}, and what it reads agrees", relative
    )


def _first_diverging(
    reference: Probe, suspect: Probe, image: Image, operators: Sequence[Operator], tolerance: float
) -> tuple[Operator, float] | None:
    keys = [operator.key for operator in operators]
    ours, theirs = reference.values(image, keys), suspect.values(image, keys)
    for operator in operators:
        expected, actual = ours.get(operator.key), theirs.get(operator.key)
        if expected is None or actual is None or expected.shape != actual.shape:
            continue  # the stage as a whole says whether that matters
        relative = difference(expected, actual).relative
        if not relative <= tolerance:
            return operator, relative
    return None


def _structural(
    ours: Structure, theirs: Structure, stage: str, earlier: Sequence[str], diverging: tuple[Operator, float] | None
) -> Culprit | None:
    """An operator that only one model has, where the divergence can come from it: before the first that diverges."""
    if diverging is None:
        missing = [operator for operator in ours.inside(stage, earlier) if operator.key not in theirs.operators]
        added = [operator for operator in theirs.inside(stage, earlier) if operator.key not in ours.operators]
    else:
        key = diverging[0].key
        reads, others = ours.operators[key].inputs, theirs.operators[key].inputs
        missing = [ours.operators[name] for name in reads if name in ours.operators and name not in theirs.operators]
        added = [theirs.operators[name] for name in others if name in theirs.operators and name not in ours.operators]
    if missing:
        return Culprit(missing[0].label, missing[0].node, "the second model has no such operator there")
    if added:
        return Culprit(added[0].label, added[0].node, "the first model has no such operator there")
    return None


def _node(operator: Operator, theirs: Structure) -> str:
    return theirs.operators[operator.key].node or operator.node
