"""PyTorch modules -> ONNX graphs that other nodes can be put around."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence

import onnx
import torch
from torch import nn

from yolact_deploy.errors import YolactDeployError
from yolact_deploy.export.graph.domain import OPSET


def trace(
    module: nn.Module, examples: Mapping[str, torch.Tensor], output_names: Sequence[str], dynamic_batch: bool, name: str
) -> onnx.GraphProto:
    """The graph of `module`, whose inputs are `examples` by name, in order; node names begin with `name` and a slash.

    dynamic_batch: the first dimension of every input is B; the examples then need a B of 2 or more, because the
    tracer takes 1 for a constant. Nodes carry neither names of source files nor stack traces.
    """
    batch = torch.export.Dim("B")
    with warnings.catch_warnings(), _quiet("torch.onnx"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            tuple(examples.values()),
            dynamo=True,
            opset_version=OPSET,
            external_data=False,
            input_names=list(examples),
            output_names=list(output_names),
            dynamic_shapes=tuple({0: batch} for _ in examples) if dynamic_batch else None,
            verbose=False,
        )
    if program is None:
        raise YolactDeployError("torch.onnx.export returned nothing: install a supported torch (2.8 or newer)")
    graph = program.model_proto.graph
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        node.name = f"{name}/{node.name}"
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
