"""The network alone as an ONNX graph: normalised image in, raw outputs out."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import nn

from ..errors import YolactDeployError
from ..model import Yolact
from .domain import OPSET

NETWORK_INPUT = "network_input"  # float32 [B,3,S,S], RGB, normalised
RAW_OUTPUTS = ("loc", "conf", "coef", "proto")  # tensor names in every exported file, as in types.RawOutputs


class _Traced(nn.Module):
    """What only tracing needs: a tuple instead of a dataclass."""

    def __init__(self, model: Yolact) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        raw = self.model(image)
        return tuple(getattr(raw, name) for name in RAW_OUTPUTS)


def export_network(model: Yolact, batch: int | None) -> onnx.GraphProto:
    """The graph of `model` with input NETWORK_INPUT and outputs RAW_OUTPUTS; batch None makes B dynamic.

    Nodes carry neither names of source files nor stack traces.
    """
    size = model.config.image_size
    # A dynamic batch is traced with 2: the tracer takes 1 for a constant.
    example = torch.zeros(batch or 2, 3, size, size)
    dynamic = None if batch else ({0: torch.export.Dim("B")},)
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Traced(model).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=[NETWORK_INPUT],
            output_names=list(RAW_OUTPUTS),
            dynamic_shapes=dynamic,
            verbose=False,
        )
    if program is None:
        raise YolactDeployError("torch.onnx.export returned nothing: install a supported torch (2.8 or newer)")
    graph = program.model_proto.graph
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.name = f"network/{node.name}"
    for value in (*graph.value_info, *graph.input, *graph.output, *graph.initializer):
        value.ClearField("metadata_props")
    return graph


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Silence the warnings of a logger and its children for a while."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
