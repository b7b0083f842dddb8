"""YolactEdge (Liu et al. 2021): the official network with other names in the FPN, and a flow net for video."""

from __future__ import annotations

from pathlib import Path

from ...config.model import NAMED_CONFIGS
from ...errors import CheckpointError
from . import names
from .family import Family, Tensors, Translation, has_key, renamed

_RENAMED = (
    (r"fpn_phase_1\.(?=lat_layers\.)", "fpn."),
    (r"fpn_phase_2\.(?=(?:pred|downsample)_layers\.)", "fpn."),
)
_FLOW = ("flow_net.", "flow_net_pre_convs.", "spa.")  # used on frames between key frames alone
_MOBILENET_STEM = "backbone.layers.0.0.weight"
_MOBILENET_UNUSED = ("backbone.layers.7.", "backbone.layers.8.")  # saved, but no output comes from them


def _recognises(tensors: Tensors) -> bool:
    return has_key(tensors, "fpn_phase_", *_FLOW)


def _translate(tensors: Tensors, path: Path) -> Translation:
    if not has_key(tensors, "prediction_layers.", "proto_net."):
        raise CheckpointError(
            f"{path.name} holds YolactEdge's flow net alone, which finds nothing: pass the whole checkpoint"
        )
    if has_key(tensors, "fpn.") and has_key(tensors, "fpn_phase_"):
        raise CheckpointError(f"{path.name} mixes two families: fpn.* of the official code, fpn_phase_* of YolactEdge")
    unused = _FLOW + (_MOBILENET_UNUSED if _MOBILENET_STEM in tensors else ())
    dropped = tuple(key for key in tensors if key.startswith(unused))
    kept = {key: tensor for key, tensor in tensors.items() if key not in dropped}
    return Translation(renamed(kept, _RENAMED, path), dropped, _notes(dropped, path))


def _notes(dropped: tuple[str, ...], path: Path) -> tuple[str, ...]:
    notes = []
    flow = sum(key.startswith(_FLOW) for key in dropped)
    if flow:
        notes.append(f"{path.name}: {flow} tensors of the flow net are left out; every frame is treated as a key frame")
    if "trainflow" in path.name.lower():
        notes.append(
            f"{path.name} is, by its name, an intermediate step of training (trainflow): its weights are not final"
        )
    return tuple(notes)


YOLACT_EDGE = Family(
    name="YolactEdge",
    option=names.YOLACT_EDGE,
    configurations=tuple(name for name in NAMED_CONFIGS if name.startswith("yolact_edge")),
    recognises=_recognises,
    translate=_translate,
)
