"""The two forms that a deformable convolution can have in an exported file.

gridsample: deform_conv.ModulatedDeformConv as it is written, a GridSample and a 1x1 convolution: operators that every
runtime has. onnx: ONNX's own DeformConv, which TensorRT maps to its plugin ModulatedDeformConv2d and newer releases of
ONNX Runtime run natively; TensorRT for RTX has no such operator.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import onnx
import onnx.parser
import torch
import torch.nn.functional as F
from torch import nn

from yolact_deploy.artifacts.metadata import DEFORM_CONV_FORMS
from yolact_deploy.errors import ConfigError, ModelFileError
from yolact_deploy.export.graph.domain import OPSET
from yolact_deploy.models.deform_conv import ModulatedDeformConv
from yolact_deploy.runtimes.onnxruntime import create_session

FORM_CHOICES = (*DEFORM_CONV_FORMS, "auto")
_SINCE_OPSET = 19  # of DeformConv


def chosen_form(choice: str) -> str:
    """The form that `choice`, one of FORM_CHOICES, stands for.

    auto is what is faster in ONNX Runtime on a CPU: its DeformConv where it has one, as measured with 1.32, layer by
    layer (128 to 512 channels, strides 1 and 2) and end to end.

    Raises ConfigError for any other choice, and for onnx when the ONNX Runtime here could not check the file.
    """
    if choice not in FORM_CHOICES:
        raise ConfigError(f"unknown form of deformable convolutions {choice!r}: use one of {', '.join(FORM_CHOICES)}")
    if choice == "auto":
        return "onnx" if _runs_deform_conv() else "gridsample"
    if choice == "onnx" and not _runs_deform_conv():
        raise ConfigError(
            "--deform-conv onnx: the ONNX Runtime here has no DeformConv, so the file could not be checked: "
            "update onnxruntime, or use gridsample"
        )
    return choice


@functools.cache
def _runs_deform_conv() -> bool:
    """Whether ONNX Runtime has the operator on a CPU: no release before 2026 does."""
    text = f"""<ir_version: 10, opset_import: ["" : {OPSET}]>
probe (float[1,1,3,3] x, float[1,1,3,3] weight, float[1,18,1,1] offset) => (float[1,1,1,1] y) {{
  y = DeformConv(x, weight, offset)
}}"""
    try:
        create_session(onnx.parser.parse_model(text).SerializeToString(), "a probe", device="cpu")
    except ModelFileError:
        return False
    return True


class _GridSampleForm(nn.Module):
    """Stands in for a ModulatedDeformConv while its model is traced: the same, but its weight needs no reshaping."""

    def __init__(self, layer: ModulatedDeformConv) -> None:
        super().__init__()
        self.layer = layer
        self.weight = nn.Parameter(layer.weight_of_columns(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(self.layer.columns(x), self.weight, self.layer.bias)


class _OnnxForm(nn.Module):
    """Stands in for a ModulatedDeformConv while its model is traced: ONNX's operator."""

    def __init__(self, layer: ModulatedDeformConv) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layer = self.layer
        offset, mask = layer.offset_and_mask(x)
        pads = (int(layer.padding[0]), int(layer.padding[1]))
        return torch.onnx.ops.symbolic(
            "DeformConv",
            (x, layer.weight, offset, layer.bias, mask),
            attrs={"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": (*pads, *pads)},
            dtype=x.dtype,
            shape=(x.shape[0], layer.out_channels, *offset.shape[-2:]),
            version=_SINCE_OPSET,
        )


_STAND_INS = dict(zip(DEFORM_CONV_FORMS, (_GridSampleForm, _OnnxForm), strict=True))


@contextlib.contextmanager
def with_form(model: nn.Module, form: str) -> Iterator[None]:
    """Within the block, a trace of `model` writes its deformable convolutions, if it has any, in `form`."""
    layers = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, ModulatedDeformConv)
    ]
    for parent, name, layer in layers:
        setattr(parent, name, _STAND_INS[form](layer))
    try:
        yield
    finally:
        for parent, name, layer in layers:
            setattr(parent, name, layer)
