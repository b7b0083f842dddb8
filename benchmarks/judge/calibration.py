"""How likely a detection of a score is right: a logistic curve, which a few lucky or unlucky detections do not bend."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from yolact_deploy.types import BoolArray, FloatArray

MIN_EACH = 3  # right and wrong detections: fewer give no curve
_STEPS = 50  # of Newton's method; it ends within 10
_LARGEST_STEP = 2.0
_DAMPING = 1e-2  # towards 0: keeps the curve finite where scores part right from wrong
_EDGE = 1e-4  # scores this near to 0 and 1 are taken as that near


def expected_precision(scores: FloatArray, right: BoolArray) -> npt.NDArray[np.float64]:
    """The precision [D] to expect of the detections up to each one, best score first, on other pictures.

    The mean of `P(right | score)`, a logistic regression on the logit of the score (Platt 1999). Where there are too
    few detections for a curve, the precision counted.
    """
    counts = np.arange(1, len(right) + 1)
    hits = int(np.sum(right))
    if min(hits, len(right) - hits) < MIN_EACH:
        return np.cumsum(right) / counts
    clipped = np.clip(np.asarray(scores, np.float64), _EDGE, 1 - _EDGE)
    design = np.stack((np.ones(len(right)), np.log(clipped / (1 - clipped))), axis=1)  # [D,2]
    weights = np.zeros(2)
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (chances - right) + _DAMPING * weights
        curvature = (design * (chances * (1 - chances))[:, None]).T @ design + _DAMPING * np.eye(2)
        weights -= np.clip(np.linalg.solve(curvature, slope), -_LARGEST_STEP, _LARGEST_STEP)
    return np.cumsum(1 / (1 + np.exp(-design @ weights))) / counts
