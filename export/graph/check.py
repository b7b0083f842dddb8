"""The last step of an export: PyTorch and ONNX Runtime on the same image, compared output by output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch

from yolact_deploy.artifacts.metadata import TENSOR_INPUTS
from yolact_deploy.artifacts.onnx_file import metadata_of, with_outputs
from yolact_deploy.artifacts.outputs import host_view, output_names, split_batch
from yolact_deploy.artifacts.tensor_names import RAW_OUTPUTS
from yolact_deploy.artifacts.tolerances import EXPORT_DETECTIONS, EXPORT_MATCHED, EXPORT_RAW
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.models.yolact import Yolact
from yolact_deploy.ops.masks import MASK_THRESHOLD, unpack_masks
from yolact_deploy.ops.matching import match_detections
from yolact_deploy.ops.postprocess import network_detections, upsample_masks
from yolact_deploy.ops.preprocess import preprocess
from yolact_deploy.ops.view import View
from yolact_deploy.runtimes.base import graph_input
from yolact_deploy.runtimes.onnxruntime import create_session
from yolact_deploy.types import FloatArray, Image, NetworkDetections, PackedMasks


@dataclass(frozen=True)
class ExportCheck:
    """PyTorch against ONNX Runtime on one image."""

    differences: dict[str, float]  # largest absolute difference by output name; detections: among matched ones
    tolerances: dict[str, float]  # what each may be
    reference_count: int  # detections in PyTorch
    exported_count: int  # detections in ONNX Runtime
    matched: int  # same class and almost the same box

    @property
    def matched_share(self) -> float:
        """Matched detections over all of the side that has more; 1 when nothing was found by either."""
        most = max(self.reference_count, self.exported_count)
        return self.matched / most if most else 1.0

    @property
    def passed(self) -> bool:
        """Whether everything is within tolerance (NaN never is)."""
        within = all(self.differences[name] <= tolerance for name, tolerance in self.tolerances.items())
        return within and self.matched_share >= EXPORT_MATCHED


@torch.inference_mode()
def check_export(
    model: Yolact, exported: onnx.ModelProto, postprocess: PostprocessConfig, image: Image, batch: int | None
) -> ExportCheck:
    """Run `model` and `exported` on `image` (repeated to the exported batch; twice where that is dynamic)."""
    images = np.repeat(image[None], batch or 2, axis=0)
    tensor = preprocess(images, model.config)
    raw = model(tensor)
    view = View.of(model.config.resize, *image.shape[:2])
    reference = network_detections(raw, postprocess, model.maskiou_net, view)
    metadata = metadata_of(exported, "the exported graph")
    feed = tensor.numpy() if metadata.input_kind == TENSOR_INPUTS else graph_input(images, metadata)
    names = (*output_names(model.config), *RAW_OUTPUTS)
    outputs = _run(exported, names, feed)
    differences, tolerances = {}, {}
    for name in RAW_OUTPUTS:
        expected = getattr(raw, name).numpy()
        differences[name] = float(np.abs(outputs[name] - expected).max())
        tolerances[name] = EXPORT_RAW * float(np.abs(expected).max())
    found = split_batch(outputs, len(images), host_view(metadata_of(exported, "the exported graph"), image.shape[:2]))
    pairs = [match_detections(a.classes, a.boxes, b.classes, b.boxes) for a, b in zip(reference, found, strict=True)]
    for name, tolerance in EXPORT_DETECTIONS.items():
        if name not in output_names(model.config):
            continue
        differences[name] = max(
            _largest_difference(*both, name, view) for both in zip(reference, found, pairs, strict=True)
        )
        tolerances[name] = tolerance
    return ExportCheck(
        differences,
        tolerances,
        reference_count=sum(map(len, reference)),
        exported_count=sum(map(len, found)),
        matched=sum(map(len, pairs)),
    )


def _largest_difference(
    reference: NetworkDetections, found: NetworkDetections, pairs: Any, name: str, view: View
) -> float:
    if len(pairs) == 0:
        return 0.0
    expected, actual = getattr(reference, name)[pairs[:, 0]], getattr(found, name)[pairs[:, 1]]
    if isinstance(actual, PackedMasks):
        return _largest_bit_difference(expected, actual, view)
    return float(np.abs(expected - actual).max())


def _largest_bit_difference(expected: FloatArray, actual: PackedMasks, view: View) -> float:
    """How far from the threshold the upsampled masks `expected` [n,Hp,Wp] are where `actual` says otherwise."""
    seen = upsample_masks(torch.from_numpy(expected), *view.seen).numpy()
    upsampled = seen[:, : view.height, : view.width]
    differs = (upsampled > MASK_THRESHOLD) != unpack_masks(actual, view.height, view.width)
    return float(np.abs(upsampled[differs] - MASK_THRESHOLD).max(initial=0.0))


def _run(exported: onnx.ModelProto, names: tuple[str, ...], feed: np.ndarray) -> dict[str, np.ndarray]:
    """One run on the CPU that gives the tensors `names`, the raw outputs inside the graph among them."""
    probed = with_outputs(exported, RAW_OUTPUTS)
    session = create_session(probed.SerializeToString(), "the exported graph", device="cpu")
    return dict(zip(names, session.run(list(names), {exported.graph.input[0].name: feed}), strict=True))
