"""The detections of two models on one image, compared where they match: borderline ones change places."""

from __future__ import annotations

import numpy as np

from ..artifacts.tensor_names import MASKS
from ..ops.masks import boolean_masks
from ..ops.matching import MATCH_SCORE, match_detections
from ..ops.view import View
from ..types import NetworkDetections
from .differences import EQUAL, NOT_COMPARABLE, Difference, difference

UNMATCHED_SHARE = 0.005  # of all detections, where only the order of additions differs


class MatchedDetections:
    """What two models found in an image, paired by class and box."""

    def __init__(self, reference: NetworkDetections, suspect: NetworkDetections, view: View) -> None:
        """view: of the image."""
        self.reference = reference
        self.suspect = suspect
        self.pairs = match_detections(reference.classes, reference.boxes, suspect.classes, suspect.boxes)  # [n,2]
        self._view = view
        # Looked up among all of the other side, so that what scores just beside the threshold is no false alarm.
        wanted = [np.flatnonzero(found.scores >= MATCH_SCORE) for found in (reference, suspect)]
        self.required = sum(map(len, wanted))  # detections that must be found again, of both sides together
        self.lost = sum(  # of those, not found
            len(np.setdiff1d(indices, self.pairs[:, side])) for side, indices in enumerate(wanted)
        )

    @property
    def are_the_same(self) -> bool:
        """Whether all match, low scores too, but for the odd one that arithmetic in fp32 decides."""
        most = max(len(self.reference), len(self.suspect))
        return most - len(self.pairs) <= UNMATCHED_SHARE * most

    @property
    def is_packed(self) -> bool:
        """Whether masks are compared as booleans at image size, because one side has no others."""
        return not all(isinstance(found.masks, np.ndarray) for found in (self.reference, self.suspect))

    def difference(self, stage: str) -> Difference | None:
        """One of the stages after Fast NMS, among the pairs; NOT_COMPARABLE when anything in it is not finite.

        None where something was found, but nothing matches.
        """
        a, b = getattr(self.reference, stage), getattr(self.suspect, stage)
        if not all(np.isfinite(values).all() for values in (a, b) if isinstance(values, np.ndarray)):
            return NOT_COMPARABLE
        if len(self.pairs) == 0:
            return EQUAL if len(self.reference) == len(self.suspect) == 0 else None
        if stage == MASKS and self.is_packed:
            a, b = self._boolean_masks()
        return difference(a[self.pairs[:, 0]], b[self.pairs[:, 1]])

    def mask_iou(self) -> float | None:
        """Mean IoU of the pairs' masks at image size; None without pairs."""
        if len(self.pairs) == 0:
            return None
        masks, others = self._boolean_masks()
        return float(np.mean([_iou(masks[index], others[other]) for index, other in self.pairs]))

    def describe(self) -> str:
        """How many match, in a few words."""
        text = f"{len(self.pairs)} of {len(self.reference)} matched"
        if len(self.suspect) != len(self.reference):
            text += f", {len(self.suspect)} in B"
        return text + (f"; {self.lost} of {self.required} lost" if self.lost else "")

    def _boolean_masks(self) -> tuple[np.ndarray, np.ndarray]:
        return boolean_masks(self.reference, self._view), boolean_masks(self.suspect, self._view)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0
