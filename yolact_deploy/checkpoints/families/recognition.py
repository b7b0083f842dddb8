"""Which family a checkpoint is of."""

from __future__ import annotations

from .family import Family, Tensors
from .mmdetection import MMDETECTION
from .official import OFFICIAL
from .yolact_edge import YOLACT_EDGE

FAMILIES = (YOLACT_EDGE, MMDETECTION, OFFICIAL)  # the official one last: it takes what no other recognises


def family_of(tensors: Tensors) -> Family:
    """The family whose keys `tensors` has."""
    return next(family for family in FAMILIES if family.recognises(tensors))
