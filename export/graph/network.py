"""The network alone as an ONNX graph: normalised image in, raw outputs out."""

from __future__ import annotations

import onnx
import torch
from torch import nn

from yolact_deploy.artifacts.tensor_names import NETWORK_INPUT, RAW_OUTPUTS, feature_names
from yolact_deploy.export.graph.deform_conv import with_form
from yolact_deploy.export.graph.fold_norm import fold_norms
from yolact_deploy.export.graph.tracing import trace
from yolact_deploy.models.yolact import Yolact


class _Traced(nn.Module):
    """What only tracing needs: a tuple instead of a dataclass, and the features, so that they get names."""

    def __init__(self, model: Yolact) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        stages = self.model.backbone(image)
        levels = self.model.fpn(stages)
        raw = self.model.predict(levels)
        return (*(getattr(raw, name) for name in RAW_OUTPUTS), *stages, *levels)


def export_network(model: Yolact, batch: int | None, deform_conv: str = "gridsample") -> onnx.GraphProto:
    """The graph of `model` with input NETWORK_INPUT and outputs RAW_OUTPUTS; batch None makes B dynamic.

    The tensors C3, C4, C5, P3 and on, see `stages`, have those names inside it.
    deform_conv: how deformable convolutions are written, one of metadata.DEFORM_CONV_FORMS.
    """
    size = model.config.image_size
    with with_form(model, deform_conv):
        graph = trace(
            _Traced(model),
            {NETWORK_INPUT: torch.zeros(batch or 2, 3, size, size)},
            (*RAW_OUTPUTS, *feature_names(model.config)),
            dynamic_batch=batch is None,
            name="network",
        )
    del graph.output[len(RAW_OUTPUTS) :]  # the names are what they were wanted for
    fold_norms(graph)
    return graph
