"""Which family a checkpoint is of."""

from __future__ import annotations

import reprlib

from ...errors import CheckpointError
from .family import Family, Tensors
from .mmdetection import MMDETECTION
from .official import OFFICIAL
from .yolact_edge import YOLACT_EDGE
from .yolact_minimal import YOLACT_MINIMAL, YOLACT_PYTORCH

# The official one last: it takes what no other recognises.
FAMILIES = (YOLACT_EDGE, MMDETECTION, YOLACT_MINIMAL, YOLACT_PYTORCH, OFFICIAL)


def family_of(tensors: Tensors, wanted: str | None = None) -> Family:
    """The family whose keys `tensors` has; wanted: its option, which decides where tensors fit several.

    Raises CheckpointError for an unknown option and for one that the tensors contradict.
    """
    fitting = [family for family in FAMILIES if family is not OFFICIAL and family.recognises(tensors)] or [OFFICIAL]
    if wanted is None:
        return fitting[0]
    chosen = next((family for family in FAMILIES if family.option == wanted), None)
    if chosen is None:
        known = ", ".join(sorted(family.option for family in FAMILIES))
        raise CheckpointError(f"unknown family {reprlib.repr(wanted)}: use one of {known}")
    if chosen in fitting:
        return chosen
    found = " or ".join(family.name for family in fitting)
    are = f"its tensors are those of {found}" if OFFICIAL not in fitting else "its tensors are not those of that code"
    raise CheckpointError(f"--family says {wanted}, but {are}: leave --family out")
