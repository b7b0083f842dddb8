"""Is a model right about its own network outputs? Its detections beside those that the reference post-processing makes
of its own loc, conf, coef and proto.

Fast NMS and the crop decide: a difference of rounding before them can drop a detection, or move the edge of a mask by a
pixel. Two models that both decide rightly about what they see do not diverge there.
"""

from __future__ import annotations

import importlib.util

import numpy as np

from ..boxes import make_priors
from ..config import PostprocessConfig
from ..types import NetworkDetections
from .culprit import Culprit
from .detections import MatchedDetections
from .probes import Probe, StageValues
from .stages import BOXES, MASKS, RAW_OUTPUTS, SCORES
from .tolerances import TOLERANCES

OPERATORS = {BOXES: "YolactFastNMS", SCORES: "YolactFastNMS", MASKS: "YolactMaskAssembly"}  # stage -> what makes it


class OwnDetections:
    """What one model should have found, beside what it found."""

    def __init__(
        self, probe: Probe, values: StageValues, postprocess: PostprocessConfig, size: tuple[int, int]
    ) -> None:
        """postprocess: the model's thresholds. size: height and width of the image, px."""
        self._priors = probe.priors
        self._expected_priors = make_priors(probe.metadata.config)
        self._matched: MatchedDetections | None = None
        is_complete = all(name in values.tensors for name in RAW_OUTPUTS)
        if is_complete and importlib.util.find_spec("torch") is not None:
            wanted = _reference(values, self._expected_priors, postprocess)
            self._matched = MatchedDetections(wanted, values.detections, *size)

    def is_right(self, stage: str) -> bool | None:
        """Whether `stage` is as it should be, to the tolerance of fp32; None where that cannot be told."""
        if self._matched is None or stage not in OPERATORS:
            return None
        tolerance = TOLERANCES["fp32"].of(stage, self._matched.is_packed)
        return self._matched.lost == 0 and self._matched.difference(stage).relative <= tolerance

    def explain(self, stage: str) -> Culprit | None:
        """Why `stage` may differ from that of another model; None where that cannot be told."""
        if stage not in OPERATORS:
            return None
        if self._priors is not None and not _equal(self._priors, self._expected_priors):
            return Culprit("priors", "", "the anchors are not those of the configuration")
        right = self.is_right(stage)
        if right is None:
            return None
        reason = "right about its own inputs, which differ" if right else "it does not give what its inputs ask for"
        return Culprit(OPERATORS[stage], "", reason)


def _equal(priors: np.ndarray, expected: np.ndarray) -> bool:
    return priors.shape == expected.shape and np.allclose(priors, expected, atol=1e-6)


def _reference(values: StageValues, priors: np.ndarray, postprocess: PostprocessConfig) -> NetworkDetections:
    import torch

    from ..postprocess import network_detections
    from ..types import RawOutputs

    tensors = {name: torch.from_numpy(values.tensors[name].astype(np.float32)) for name in RAW_OUTPUTS}
    return network_detections(RawOutputs(**tensors, priors=torch.from_numpy(priors)), postprocess)[0]
