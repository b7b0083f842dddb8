"""The plugin library's C interface (plugins/common/c_interface.cc): the kernels' launchers without TensorRT."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.anchors import MAX_LEVELS
from ..config.postprocess import PostprocessConfig
from ..dependencies import BUILD_COMMAND
from ..errors import ModelFileError, YolactDeployError

FUNCTIONS = ("fast_nms", "fast_nms_kernel", "mask_assembly", "image_masks")  # after "yolact_launch_"
FAST_NMS_KERNELS = (
    "filter",
    "limit",
    "suppress",
    "finish",
)  # in the order of FastNmsKernel in plugins/fast_nms/problem.h


class FastNmsSizes(ctypes.Structure):
    """Of plugins/fast_nms/problem.h, as all structures here are of their operator's."""

    _fields_ = [(name, ctypes.c_int32) for name in ("batch", "priors", "classes", "coefs")]


class FastNmsSettings(ctypes.Structure):
    """The attributes of a node."""

    _fields_ = [
        ("score_threshold", ctypes.c_float),
        ("iou_threshold", ctypes.c_float),
        ("top_k", ctypes.c_int32),
        ("max_detections", ctypes.c_int32),
        ("cross_class", ctypes.c_int32),
        ("clip_boxes", ctypes.c_int32),
        ("threshold_per_class", ctypes.c_int32),
        ("candidates_per_level", ctypes.c_int32),
        ("levels", ctypes.c_int32),
        ("level_priors", ctypes.c_int32 * MAX_LEVELS),
    ]

    @classmethod
    def of(cls, config: PostprocessConfig) -> FastNmsSettings:
        """`config` as the kernels take it."""
        return cls(
            config.score_threshold,
            config.iou_threshold,
            config.top_k,
            config.max_detections,
            config.cross_class,
            config.clip_boxes,
            config.threshold_per_class,
            config.candidates_per_level,
            len(config.level_priors),
            (ctypes.c_int32 * MAX_LEVELS)(*config.level_priors),
        )


class MaskSizes(ctypes.Structure):
    """Of prototypes and masks."""

    _fields_ = [(name, ctypes.c_int32) for name in ("batch", "height", "width", "coefs", "masks")]


class ImageSize(ctypes.Structure):
    """Of an image, px."""

    _fields_ = [(name, ctypes.c_int32) for name in ("height", "width")]


def pointers(addresses: Sequence[int]) -> Any:
    """An operator's struct of tensors, which holds nothing but pointers."""
    return (ctypes.c_void_p * len(addresses))(*addresses)


@dataclass(frozen=True)
class KernelLibrary:
    """A loaded plugin library."""

    native: ctypes.CDLL

    @classmethod
    def load(cls, path: Path) -> KernelLibrary:
        """Raises ModelFileError when it is no plugin library of this version."""
        try:
            native = ctypes.CDLL(str(path.absolute()))
            native.yolact_fast_nms_workspace_bytes.restype = ctypes.c_size_t
            for name in FUNCTIONS:
                getattr(native, f"yolact_launch_{name}")
        except (OSError, AttributeError) as error:
            raise ModelFileError(f"{path} is no plugin library of this version: {error}") from None
        return cls(native)

    def fast_nms_workspace_bytes(self, sizes: FastNmsSizes, settings: FastNmsSettings) -> int:
        """Device memory that Fast NMS needs besides its inputs and outputs."""
        return int(self.native.yolact_fast_nms_workspace_bytes(ctypes.byref(sizes), ctypes.byref(settings)))

    def launch(self, function: str, *arguments: Any, stream: int) -> None:
        """Enqueue one of FUNCTIONS on a stream. Raises YolactDeployError with CUDA's error code."""
        passed = [ctypes.byref(value) if isinstance(value, ctypes.Structure) else value for value in arguments]
        status = getattr(self.native, f"yolact_launch_{function}")(*passed, ctypes.c_void_p(stream))
        if status != 0:
            raise YolactDeployError(f"the kernels failed with CUDA error {status}: run `{BUILD_COMMAND}`")
