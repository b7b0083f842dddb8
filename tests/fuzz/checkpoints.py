"""Checkpoints of a tiny network with other keys, shapes, kinds of tensor, wrappers and bytes."""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st

from tests.checkpoints.families.mmdetection_files import TEXT, mmdetection_tensors
from tests.checkpoints.families.test_yolact_edge import edge_keys
from tests.conftest import seeded_state_dict
from tests.fuzz.mutations import HARD_TEXTS, HARD_VALUES, damaged
from yolact_deploy.config.model import BackboneConfig, ModelConfig

TINY = ModelConfig(
    name="tiny",
    backbone=BackboneConfig(depths=(1, 1, 1, 1), width=4),
    image_size=64,
    class_names=("a", "b", "c"),
    fpn_channels=8,
    proto_channels=8,
    head_channels=8,
    num_prototypes=4,
)
CHANGES: tuple[Callable[[torch.Tensor], Any], ...] = (
    lambda plain: plain.half(),
    lambda plain: plain.double(),
    lambda plain: plain.bfloat16(),
    lambda plain: plain.long(),
    lambda plain: plain.bool(),
    lambda plain: plain.to(torch.uint8),
    lambda plain: plain.to(torch.complex64),
    lambda plain: plain.to(torch.float8_e4m3fn),
    lambda plain: plain.to_sparse(),
    lambda plain: plain.to("meta"),
    lambda plain: torch.quantize_per_tensor(plain.float(), 0.1, 0, torch.qint8),
    lambda plain: torch.nested.nested_tensor([plain]),
    lambda plain: plain * float("nan"),
    lambda plain: plain + float("inf"),
    lambda plain: plain.flatten()[:1].half().expand(2**40),
    lambda plain: plain.flatten()[:1].expand(3 * 10**11),
    lambda plain: plain.flatten()[:0],
    lambda plain: plain.flatten(),
    lambda plain: plain[None],
    lambda plain: plain.transpose(0, -1),
    lambda plain: torch.nn.Parameter(plain.float()),
    lambda plain: plain.sum(),
    lambda plain: [plain],
    lambda plain: {"weight": plain},
)
WRAPPERS: tuple[Callable[[Any], Any], ...] = (
    lambda state: state,
    lambda state: state,
    lambda state: {"state_dict": state, "epoch": 3},
    lambda state: {"net": state},
    lambda state: {"model": {"model": {"model": {"model": {"model": state}}}}},
    lambda state: {"a": state, "b": state},
    lambda state: {**state, "epoch": 3},
    lambda state: {f"module.{key}": value for key, value in state.items()},
    lambda state: {0: state},
    lambda state: {(0, key): value for key, value in state.items()},
    lambda state: list(state.values()),
    lambda state: None,
)
KEYS = (
    *HARD_TEXTS,
    "fpn.downsample_layers",
    "fpn.downsample_layers.x.weight",
    "fpn.downsample_layers.7.bias",
    "backbone.layer1.0.x",
    "backbone.layers.9.0.conv1.weight",
    f"backbone.layers.{'9' * 5000}.0.x",
    "backbone.layers.0.0.conv2.conv_offset_mask.weight",
    "backbone._preconv.0.weight",
    "proto_net.12.weight",
    "proto_net.12.bias",
    "proto_net.6.weight",
    "proto_net.6.bias",
    "proto_net.9999.weight",
    "prediction_layers.1.x",
    "prediction_layers.1.bbox_layer.weight",
    "prediction_layers.0.upfeature.2.weight",
    "prediction_layers.0.upfeature.2.bias",
    "prediction_layers.0.mask_extra.0.weight",
    "backbone.layers.0.0.bias",
    "maskiou_net.maskiou_net.0.weight",
    "maskiou_net.maskiou_net.99.weight",
    "bbox_head.conv_coeff.weight",
    "bbox_head.head_convs.1.conv.weight",
    "neck.fpn_convs.99.conv.weight",
    "ema_x",
    "fpn_phase_1.lat_layers.0.weight",
    "fpn_phase_2.x",
    "flow_net.conv1.0.weight",
    "spa.0.weight",
)
# The configuration in an mmdetection file.
TEXTS = (
    TEXT,
    TEXT,
    "",
    "model = dict(",
    "model = " + "[" * 3000,
    "model = dict(" * 90 + ")" * 90,
    "x" * (1 << 21),
    TEXT[:400],
)


@st.composite
def checkpoint_files(draw: st.DrawFn) -> bytes:
    """Bytes of a .pth file that is almost right."""
    family = draw(st.sampled_from(sorted(_STATES)))
    state: dict[str, Any] = dict(_STATES[family])
    for _ in range(draw(st.integers(0, 3))):
        key = draw(st.sampled_from(sorted(state)))
        change = draw(st.sampled_from(("tensor", "tensor", "remove", "rename", "add", "value")))
        if change == "tensor":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state[key] = _changed(state[key], draw(st.sampled_from(CHANGES)))
        elif change == "value":
            state[key] = draw(HARD_VALUES)
        elif change == "add":
            state[draw(st.sampled_from(KEYS))] = torch.zeros(draw(st.sampled_from(((), (0,), (1,), (8, 8, 3, 3)))))
        else:
            value = state.pop(key)
            if change == "rename":
                state[draw(st.sampled_from(KEYS))] = value
    content = draw(st.sampled_from(WRAPPERS))(state)
    if family == "mmdetection" and isinstance(content, dict):
        names = draw(st.sampled_from((("nut", "bolt"), "nut", (1, 2), None, ("x" * 300, "y"))))
        meta = {"cfg": draw(_texts()), "dataset_meta": draw(st.sampled_from(({"classes": names}, names)))}
        content = {"meta": draw(st.sampled_from((meta, meta, names))), "state_dict": content}
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=draw(st.booleans()))
    data = stream.getvalue()
    damage = draw(st.sampled_from(("none", "none", "bytes", "pickle")))
    if damage == "bytes":
        return draw(damaged(data))
    return draw(_repickled(data)) if damage == "pickle" and data[:2] == b"PK" else data


@st.composite
def _texts(draw: st.DrawFn) -> str:
    """A configuration with one value changed, or something else."""
    text = draw(st.sampled_from(TEXTS))
    if text is not TEXT:
        return text
    numbers = re.findall(r"\d+\.?\d*", TEXT)
    values = ("0", "-1", "1e999", "'x'", "None", "[]", "{}", "10**9", "x", "9" * 5000, "dict(a=1)", "True", "0.0")
    return text.replace(draw(st.sampled_from(numbers)), draw(st.sampled_from(values)), draw(st.integers(1, 2)))


def _changed(value: Any, change: Callable[[torch.Tensor], Any]) -> Any:
    try:
        return change(value)
    except Exception:  # not every change can be made to every tensor, or to what an earlier one left
        return value


@st.composite
def _repickled(draw: st.DrawFn, data: bytes) -> bytes:
    """The zip with a damaged pickle, a changed record, and checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {record.filename: archive.read(record) for record in archive.infolist()}
    name = draw(st.sampled_from(sorted(records)))
    target = draw(st.sampled_from([next(each for each in records if each.endswith("data.pkl")), name]))
    records[target] = draw(damaged(records[target]))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))) as archive:
        for each, content in records.items():
            archive.writestr(each, content)
    return stream.getvalue()


_STATES = {
    "official": seeded_state_dict(TINY),
    "yolact-edge": edge_keys(seeded_state_dict(TINY)),
    "mmdetection": mmdetection_tensors(),
}
