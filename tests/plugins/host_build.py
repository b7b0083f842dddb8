"""The host build of the plugins' kernels, compiled from the same source as the CUDA one and driven through ctypes."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.conftest import ROOT
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.trt.kernel_library import FAST_NMS_KERNELS, FastNmsSettings, FastNmsSizes, ImageSize, MaskSizes

PLUGINS = ROOT / "plugins"
HOST = Path(__file__).parent / "host"  # the kernels' C interface on the host, and launchers that call it
COMPILER = "c++"
LIBRARY = "libyolact_host.so"
# As for nvcc (plugins/CMakeLists.txt): no fused multiply-add where the source has none.
FLAGS = ("-std=c++17", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-fPIC")
UNDEFINED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
ORDERS = {"forward": 0, "reversed": 1, "shuffled": 2}
GUARD = 256  # bytes behind the workspace that nobody may touch
POISON = 0xA5
ALIGNMENT = 256


class _FastNmsTensors(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_void_p)
        for name in (
            "loc", "conf", "coef", "priors", "boxes", "scores", "classes", "coefs", "num_detections",
        )
    ]  # fmt: skip


class _MaskTensors(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("proto", "coefs", "boxes", "masks")]


class LaunchShape(ctypes.Structure):
    """Blocks, threads a block, and shared memory a block that a launcher asks for."""

    _fields_ = [(name, ctypes.c_int32) for name in ("x", "y", "z", "threads", "shared_bytes")]


def compile_host_build(folder: Path) -> HostBuild:
    """Compile both operators into one library in `folder`, with checks for undefined behaviour."""
    library = folder / LIBRARY
    sources = [HOST / f"{operator}.cc" for operator in ("fast_nms", "mask_assembly")]
    command = [COMPILER, *FLAGS, *UNDEFINED, "-shared", "-o", library, *sources]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return load_host_build(folder)


def load_host_build(folder: Path) -> HostBuild:
    """What `compile_host_build` left in `folder`."""
    return HostBuild(ctypes.CDLL(str(folder / LIBRARY)))


@dataclass(frozen=True)
class HostBuild:
    """The loaded library. Arrays are float32 or, where an operator takes half precision, float16."""

    library: ctypes.CDLL

    def fast_nms(
        self,
        loc: np.ndarray,
        conf: np.ndarray,
        coef: np.ndarray,
        priors: np.ndarray,
        config: PostprocessConfig,
        order: str = "forward",
    ) -> dict[str, np.ndarray]:
        """`YolactFastNMS`: loc [B,N,4], conf [B,N,1+C], coef [B,N,K], priors [N,4] -> its outputs by name.

        Workspace and outputs hold garbage before; the workspace is as large as was asked for, and no larger.
        """
        batch, count, columns = conf.shape
        sizes = FastNmsSizes(batch, count, columns - 1, coef.shape[2])
        settings = FastNmsSettings.of(config)
        rows = config.output_count
        outputs = {
            "boxes": _poisoned((batch, rows, 4), np.float32),
            "scores": _poisoned((batch, rows), np.float32),
            "classes": _poisoned((batch, rows), np.int32),
            "coefs": _poisoned((batch, rows, coef.shape[2]), coef.dtype),
            "num_detections": _poisoned((batch,), np.int32),
        }
        inputs = _contiguous(loc, conf, coef, priors)
        tensors = _FastNmsTensors(*(array.ctypes.data for array in (*inputs, *outputs.values())))
        self.library.yolact_fast_nms_workspace.restype = ctypes.c_size_t
        size = self.library.yolact_fast_nms_workspace(ctypes.byref(sizes), ctypes.byref(settings))
        memory = np.full(size + GUARD + ALIGNMENT, POISON, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        status = self.library.yolact_fast_nms(
            int(conf.dtype == np.float16),
            ctypes.byref(sizes),
            ctypes.byref(settings),
            ctypes.byref(tensors),
            ctypes.c_void_p(memory.ctypes.data + start),
            ORDERS[order],
        )
        assert status == 0, f"refused: {status}"
        assert (memory[:start] == POISON).all()
        assert (memory[start + size :] == POISON).all()
        return outputs

    def mask_assembly(
        self, proto: np.ndarray, coefs: np.ndarray, boxes: np.ndarray, order: str = "forward"
    ) -> np.ndarray:
        """`YolactMaskAssembly`: proto [B,Hp,Wp,K], coefs [B,D,K], boxes [B,D,4] -> masks [B,D,Hp,Wp]."""
        batch, height, width, channels = proto.shape
        masks = _poisoned((batch, coefs.shape[1], height, width), proto.dtype)
        inputs = _contiguous(proto, coefs, boxes)
        tensors = _MaskTensors(*(array.ctypes.data for array in (*inputs, masks)))
        sizes = MaskSizes(batch, height, width, channels, coefs.shape[1])
        status = self.library.yolact_mask_assembly(
            int(proto.dtype == np.float16), ctypes.byref(sizes), ctypes.byref(tensors), ORDERS[order]
        )
        assert status == 0, f"refused: {status}"
        return masks

    def image_masks(
        self, proto: np.ndarray, coefs: np.ndarray, boxes: np.ndarray, height: int, width: int, order: str = "forward"
    ) -> np.ndarray:
        """`YolactMaskAssembly` at the image's size: masks [B,D,H,ceil(W/32)] int32."""
        batch, proto_height, proto_width, channels = proto.shape
        masks = _poisoned((batch, coefs.shape[1], height, -(-width // 32)), np.int32)
        inputs = _contiguous(proto, coefs, boxes)
        tensors = _MaskTensors(*(array.ctypes.data for array in (*inputs, masks)))
        sizes = MaskSizes(batch, proto_height, proto_width, channels, coefs.shape[1])
        image = ImageSize(height, width)
        status = self.library.yolact_image_masks(
            int(proto.dtype == np.float16),
            ctypes.byref(sizes),
            ctypes.byref(image),
            ctypes.byref(tensors),
            ORDERS[order],
        )
        assert status == 0, f"refused: {status}"
        return masks

    def fast_nms_shapes(self, priors: int, classes: int, coefs: int) -> dict[str, LaunchShape]:
        """How one image's kernels of `YolactFastNMS` are launched with the default settings, by name."""
        sizes, settings = FastNmsSizes(1, priors, classes, coefs), FastNmsSettings.of(PostprocessConfig())
        shapes = {name: LaunchShape() for name in FAST_NMS_KERNELS}
        for index, shape in enumerate(shapes.values()):
            self.library.yolact_fast_nms_shape(index, ctypes.byref(sizes), ctypes.byref(settings), ctypes.byref(shape))
        return shapes

    def mask_shapes(
        self, height: int, width: int, coefs: int, masks: int, image: tuple[int, int]
    ) -> dict[str, LaunchShape]:
        """How one image's kernels of `YolactMaskAssembly` are launched, by name. image: height and width."""
        sizes = MaskSizes(1, height, width, coefs, masks)
        shapes = {"assemble": LaunchShape(), "image_masks": LaunchShape()}
        self.library.yolact_mask_assembly_shape(ctypes.byref(sizes), ctypes.byref(shapes["assemble"]))
        self.library.yolact_image_masks_shape(
            ctypes.byref(sizes), ctypes.byref(ImageSize(*image)), ctypes.byref(shapes["image_masks"])
        )
        return shapes


def _poisoned(shape: tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    array = np.empty(shape, dtype)
    array.view(np.uint8).fill(POISON)
    return array


def _contiguous(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(array) for array in arrays]
