"""The official code, dbolya/yolact, and what kept its keys."""

from __future__ import annotations

from pathlib import Path

from ...config.model import NAMED_CONFIGS
from . import names
from .family import Family, Tensors, Translation


def _translate(tensors: Tensors, path: Path) -> Translation:
    return Translation(dict(tensors), (), ())


_OTHERS = ("yolact_edge", "mmdet_", "yolact_minimal", "yolact_pytorch")
OFFICIAL = Family(
    name="official YOLACT",
    option=names.OFFICIAL,
    configurations=tuple(name for name in NAMED_CONFIGS if not name.startswith(_OTHERS)),
    recognises=lambda tensors: True,  # where no other does; what it is not, `Architecture` names
    translate=_translate,
)
