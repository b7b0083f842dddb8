"""The operators that a PyTorch model runs, as they run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from .operators import Namer, Operator, Structure

LAYERS = ("conv2d", "conv_transpose2d", "convolution")
NORMS = ("batch_norm", "native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm")
KINDS = {  # PyTorch's names -> ONNX's; all others only move values
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "max_pool2d": "MaxPool",
    "max_pool2d_with_indices": "MaxPool",
    "upsample_bilinear2d": "Resize",
    "upsample_nearest2d": "Resize",
    "constant_pad_nd": "Pad",
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "cat": "Concat",
    "stack": "Concat",
    "flip": "Gather",
    "softmax": "Softmax",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "grid_sampler": "GridSample",
}
IMAGE = "image"  # key of the model's input
_KEY = "yolact_deploy_key"  # attribute of a tensor: the key of the operator that gave it


class OperatorRecorder(TorchDispatchMode):
    """Within the block, notes every operator that reads the image or what came of it.

    A batch norm belongs to the convolution before it, as in an exported file.
    """

    def __init__(self, model: nn.Module, levels: Sequence[str], wanted: Collection[str] = ()) -> None:
        """levels: names of the FPN's levels, finest first. wanted: keys of operators whose results are kept."""
        super().__init__()
        self.structure = Structure()
        self.values: dict[str, np.ndarray] = {}
        self._wanted = wanted
        self._namer = Namer(levels)
        self._weights = {_address(value): key for key, value in model.named_parameters()}

    def mark_stage(self, name: str, tensor: torch.Tensor) -> None:
        """`tensor` is the stage `name`."""
        key = _key_of(tensor)
        if key:
            self.structure.stages[name] = key

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        inputs = [key for value in _tensors(args) if (key := _key_of(value))]
        result = func(*args, **(kwargs or {}))
        if inputs:
            self._note(func.overloadpacket.__name__.strip("_"), args, inputs, result)
        return result

    def _note(self, name: str, args: tuple[Any, ...], inputs: list[str], result: Any) -> None:
        outputs = _tensors((result,))
        operator = self._operator(name, args, inputs)
        key = operator.key if operator else inputs[0]
        for output in outputs:
            setattr(output, _KEY, key)
        if operator:
            self.structure.operators[key] = operator
        if key in self._wanted and (operator or name in NORMS):
            # A copy: the next operator may work in place.
            self.values[key] = outputs[0].detach().float().cpu().numpy().copy()

    def _operator(self, name: str, args: tuple[Any, ...], inputs: list[str]) -> Operator | None:
        """None for what only moves values."""
        if name in LAYERS and _address(args[1]) in self._weights:
            return self._namer.layer(self._weights[_address(args[1])], inputs)
        if name in LAYERS or name in KINDS:
            return self._namer.operator(KINDS.get(name, "Conv"), inputs, self.structure.operators)
        return None


def _key_of(tensor: torch.Tensor) -> str:
    """Empty for constants and weights. The image is the only tensor of bytes."""
    return str(getattr(tensor, _KEY, IMAGE if tensor.dtype == torch.uint8 else ""))


def _tensors(values: Any) -> list[torch.Tensor]:
    """The tensors among arguments or results, in lists too."""
    if isinstance(values, torch.Tensor):
        return [values]
    return [tensor for value in values for tensor in _tensors(value)] if isinstance(values, (list, tuple)) else []


def _address(tensor: torch.Tensor) -> int:
    """Of its memory, which views share."""
    return int(tensor.untyped_storage().data_ptr())
