"""The reference runtime: a checkpoint in PyTorch, float32."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from .._version import __version__
from ..artifacts.metadata import ModelMetadata
from ..checkpoints.reader import read_checkpoint
from ..config.model import ModelConfig
from ..config.postprocess import PostprocessConfig
from ..errors import YolactDeployError
from ..models.yolact import Yolact
from ..ops.postprocess import network_detections
from ..ops.preprocess import preprocess
from ..ops.view import View
from ..types import Image, NetworkDetections, RawOutputs
from .base import batches, counted_threads


class PyTorchRuntime:
    """Runs a checkpoint stage by stage; `preprocess`, `network` and `postprocess` may be called on their own."""

    def __init__(
        self,
        path: Path,
        device: str,
        threads: int | None,
        config: ModelConfig | None = None,
        postprocess: PostprocessConfig | None = None,
        class_names: tuple[str, ...] | None = None,
        family: str | None = None,
    ) -> None:
        """device: auto, cpu or cuda. threads: of the whole process, because PyTorch has no other; None: its default.
        postprocess: instead of the rules of the family. family: see `read_checkpoint`.

        Raises CheckpointError, or YolactDeployError when CUDA is asked for and absent.
        """
        has_cuda = torch.cuda.is_available()
        if device == "cuda" and not has_cuda:
            raise YolactDeployError(
                "PyTorch finds no CUDA device here: pass --device cpu, or see `yolact-deploy doctor`"
            )
        self.device = "cuda" if has_cuda and device != "cpu" else "cpu"
        if threads is not None:
            torch.set_num_threads(threads)
        checkpoint = read_checkpoint(path, config, class_names=class_names, family=family)
        self.model: Yolact | None = checkpoint.build().to(self.device)
        self.metadata = ModelMetadata(
            config=checkpoint.config,
            postprocess=(postprocess or checkpoint.postprocess).for_model(checkpoint.config),
            input_kind="image",
            precision="fp32",
            checkpoint_name=path.name,
            checkpoint_sha256=checkpoint.sha256,
            tool_version=__version__,
        )
        where = (
            torch.cuda.get_device_name()
            if self.device == "cuda"
            else f"CPU, {counted_threads(torch.get_num_threads())}"
        )
        self.description = f"PyTorch {torch.__version__}, {where}"

    @torch.inference_mode()
    def preprocess(self, images: np.ndarray) -> torch.Tensor:
        """uint8 [B,H,W,3] BGR -> network input [B,3,S,S]."""
        return preprocess(images, self.metadata.config, self.device)

    @torch.inference_mode()
    def network(self, tensor: torch.Tensor) -> RawOutputs:
        """Network input [B,3,S,S] -> raw outputs."""
        return self._open_model()(tensor)

    @torch.inference_mode()
    def postprocess(self, raw: RawOutputs, image_size: Sequence[int]) -> list[NetworkDetections]:
        """Raw outputs -> detections of each image; image_size: height and width of the images, px."""
        view = View.of(self.metadata.config.resize, *image_size)
        return network_detections(raw, self.metadata.postprocess, self._open_model().maskiou_net, view)

    def _open_model(self) -> Yolact:
        if self.model is None:
            raise YolactDeployError("this predictor is closed: open it again")
        return self.model

    def detect(self, images: Sequence[Image]) -> list[NetworkDetections]:
        """See `Runtime.detect`."""
        results: list[NetworkDetections] = []
        for batch, _ in batches(images, batch_size=None):
            results += self.postprocess(self.network(self.preprocess(batch)), batch.shape[1:3])
        return results

    def close(self) -> None:
        """See `Runtime.close`."""
        self.model = None
