"""Is a model right about its own network outputs? Its detections beside those that the reference post-processing makes
of its own loc, conf, coef and proto.

Fast NMS and the crop decide: a difference of rounding before them can drop a detection, or move the edge of a mask by a
pixel. Two models that both decide rightly about what they see do not diverge there.
"""

from __future__ import annotations

import importlib.util

import numpy as np

from ..artifacts.operators import FAST_NMS, MASK_ASSEMBLY
from ..artifacts.tensor_names import BOXES, MASK_SCORES, MASKS, RAW_OUTPUTS, SCORES
from ..artifacts.tolerances import TOLERANCES
from ..config.postprocess import PostprocessConfig
from ..ops.boxes import make_priors
from ..ops.view import View
from ..types import NetworkDetections
from .culprit import Culprit
from .detections import MatchedDetections
from .probes import Probe, StageValues

OPERATORS = {BOXES: FAST_NMS, SCORES: FAST_NMS, MASKS: MASK_ASSEMBLY}  # stage -> what makes it


class OwnDetections:
    """What one model should have found, beside what it found."""

    def __init__(self, probe: Probe, values: StageValues, postprocess: PostprocessConfig, view: View) -> None:
        """postprocess: the model's thresholds. view: of the image."""
        self._priors = probe.priors
        self._expected_priors = make_priors(probe.metadata.config)
        self._matched: MatchedDetections | None = None
        is_complete = all(name in values.tensors for name in RAW_OUTPUTS)
        if is_complete and importlib.util.find_spec("torch") is not None:
            wanted = _reference(values, self._expected_priors, postprocess, view)
            self._matched = MatchedDetections(wanted, values.detections, view)

    def is_right(self, stage: str) -> bool | None:
        """Whether `stage` is as it should be, to the tolerance of fp32; None where that cannot be told."""
        if self._matched is None or stage not in OPERATORS:
            return None
        tolerance = TOLERANCES["fp32"].of(stage, self._matched.is_packed)
        apart = self._matched.difference(stage)
        return self._matched.are_the_same and apart is not None and apart.relative <= tolerance

    @property
    def has_priors(self) -> bool:
        """Whether its anchors are those of the configuration, as far as it tells."""
        return self._priors is None or (
            self._priors.shape == self._expected_priors.shape
            and np.allclose(self._priors, self._expected_priors, atol=1e-6)
        )


def explain(stage: str, reference: OwnDetections, suspect: OwnDetections) -> Culprit | None:
    """Why `stage` differs in two models whose networks agree; None where that cannot be told."""
    if stage == MASK_SCORES:  # nothing else lies between them and the masks
        return Culprit("mask IoU net", "", "the masks that it reads agree")
    if stage not in OPERATORS:
        return None
    for who, model in (("B", suspect), ("A", reference)):
        if not model.has_priors:
            return Culprit("priors", "", f"the anchors of {who} are not those of the configuration")
        if model.is_right(stage) is False:
            return Culprit(OPERATORS[stage], "", f"{who} does not give what its own inputs ask for")
    if suspect.is_right(stage) is None:
        return None
    return Culprit(OPERATORS[stage], "", "right about its inputs: thresholds or small differences before it decide")


def _reference(
    values: StageValues, priors: np.ndarray, postprocess: PostprocessConfig, view: View
) -> NetworkDetections:
    import torch

    from ..ops.postprocess import network_detections
    from ..types import RawOutputs

    tensors = {name: torch.from_numpy(values.tensors[name].astype(np.float32)) for name in RAW_OUTPUTS}
    raw = RawOutputs(**tensors, priors=torch.from_numpy(priors))
    return network_detections(raw, postprocess, view=view)[0]
