"""The kernels of a plugin library as calls on PyTorch's CUDA tensors, each with the same work in PyTorch."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import PostprocessConfig
from ..errors import ModelFileError, YolactDeployError


class _FastNmsSizes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("batch", "priors", "classes", "coefs")]


class _FastNmsSettings(ctypes.Structure):
    _fields_ = [
        ("score_threshold", ctypes.c_float),
        ("iou_threshold", ctypes.c_float),
        ("top_k", ctypes.c_int32),
        ("max_detections", ctypes.c_int32),
        ("cross_class", ctypes.c_int32),
    ]


class _MaskSizes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("batch", "height", "width", "coefs", "masks")]


@dataclass(frozen=True)
class KernelLibrary:
    """The C interface of plugins/common/c_interface.cc."""

    native: ctypes.CDLL

    @classmethod
    def load(cls, path: Path) -> KernelLibrary:
        """Raises ModelFileError when it is no plugin library of this version."""
        try:
            native = ctypes.CDLL(str(path.absolute()))
            native.yolact_fast_nms_workspace_bytes.restype = ctypes.c_size_t
        except (OSError, AttributeError) as error:
            raise ModelFileError(f"{path} is no plugin library of this version: {error}") from None
        return cls(native)


def _pointers(*tensors: Any) -> Any:
    """An operator's struct of pointers: they all have one size."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _stream() -> Any:
    """PyTorch's, or none for a library that is a stand-in on the host."""
    import torch

    return ctypes.c_void_p(torch.cuda.current_stream().cuda_stream if torch.cuda.is_available() else None)


def _require_success(status: int) -> None:
    if status != 0:
        raise YolactDeployError(f"the kernels failed with CUDA error {status}: run `yolact-deploy build-plugins`")


def _bytes_of(*tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


class FastNmsCall:
    """`YolactFastNMS` on one image of random raw outputs, `candidates` of whose priors are above the threshold."""

    def __init__(
        self,
        kernels: KernelLibrary,
        config: PostprocessConfig,
        priors: int,
        classes: int,
        coefs: int,
        candidates: int,
        half: bool,
        device: str = "cuda",
    ) -> None:
        import torch

        dtype = torch.float16 if half else torch.float32
        generator = torch.Generator(device).manual_seed(0)

        def uniform(*shape: int) -> torch.Tensor:
            return torch.rand(shape, generator=generator, device=device)

        kind = "fp16" if half else "fp32"
        variant = ", cross-class" if config.cross_class else ""
        self.name = f"Fast NMS, {priors} priors, {candidates} candidates, {classes} classes, {kind}{variant}"
        conf = uniform(1, priors, 1 + classes) * 0.01 + 1e-4
        chosen = torch.randperm(priors, generator=generator, device=device)[:candidates]
        conf[0, chosen, 1 + torch.arange(candidates, device=device) % classes] = 0.1 + 0.9 * uniform(candidates)
        self._loc = (uniform(1, priors, 4) - 0.5).to(dtype)
        self._conf = conf.to(dtype)
        self._coef = uniform(1, priors, coefs).to(dtype)
        self._priors = uniform(priors, 4) * 0.5 + 0.05
        rows = config.output_count
        self._outputs = (
            torch.empty(1, rows, 4, device=device),
            torch.empty(1, rows, device=device),
            torch.empty(1, rows, dtype=torch.int32, device=device),
            torch.empty(1, rows, coefs, dtype=dtype, device=device),
            torch.empty(1, dtype=torch.int32, device=device),
        )
        self._kernels, self._config, self._half = kernels, config, half
        self._sizes = _FastNmsSizes(1, priors, classes, coefs)
        self._settings = _FastNmsSettings(
            config.score_threshold, config.iou_threshold, config.top_k, config.max_detections, config.cross_class
        )
        sizes, settings = ctypes.byref(self._sizes), ctypes.byref(self._settings)
        workspace_bytes = kernels.native.yolact_fast_nms_workspace_bytes(sizes, settings)
        self._workspace = torch.empty(workspace_bytes, dtype=torch.uint8, device=device)
        self.bytes_moved = _bytes_of(self._conf, *self._outputs)  # of everything else only a small part is read

    def run(self) -> None:
        """Enqueue on PyTorch's stream."""
        tensors = _pointers(self._loc, self._conf, self._coef, self._priors, *self._outputs)
        status = self._kernels.native.yolact_launch_fast_nms(
            int(self._half),
            ctypes.byref(self._sizes),
            ctypes.byref(self._settings),
            tensors,
            ctypes.c_void_p(self._workspace.data_ptr()),
            _stream(),
        )
        _require_success(status)

    def reference(self) -> Any:
        """The same in PyTorch on the GPU, in float32."""
        from ..postprocess import fast_nms

        loc, conf, coef = (tensor[0].float() for tensor in (self._loc, self._conf, self._coef))
        return fast_nms(loc, conf, coef, self._priors, self._config)

    def check(self) -> None:
        """Raises AssertionError when both differ."""
        import torch

        self.run()
        expected = self.reference()
        count = int(self._outputs[4])
        assert count == len(expected.scores)
        assert torch.equal(self._outputs[2][0, :count].long(), expected.classes)
        torch.testing.assert_close(self._outputs[0][0, :count], expected.boxes, rtol=1e-4, atol=1e-4)


class MaskCall:
    """`YolactMaskAssembly` on one image, boxes of a quarter of each side on average."""

    def __init__(
        self,
        kernels: KernelLibrary,
        masks: int,
        height: int,
        width: int,
        coefs: int,
        half: bool,
        device: str = "cuda",
    ) -> None:
        import torch

        dtype = torch.float16 if half else torch.float32
        generator = torch.Generator(device).manual_seed(0)
        self.name = f"mask assembly, {masks} masks, {width}x{height}, {'fp16' if half else 'fp32'}"
        self._proto = torch.rand((1, height, width, coefs), generator=generator, device=device).to(dtype)
        self._coefs = torch.randn((1, masks, coefs), generator=generator, device=device).to(dtype)
        corner = torch.rand((1, masks, 2), generator=generator, device=device) * 0.75
        size = torch.rand((1, masks, 2), generator=generator, device=device) * 0.5
        self._boxes = torch.cat((corner, corner + size), dim=-1)
        self._masks = torch.empty((1, masks, height, width), dtype=dtype, device=device)
        self._kernels, self._half = kernels, half
        self._sizes = _MaskSizes(1, height, width, coefs, masks)
        self.bytes_moved = _bytes_of(self._proto, self._coefs, self._boxes, self._masks)

    def run(self) -> None:
        """Enqueue on PyTorch's stream."""
        status = self._kernels.native.yolact_launch_mask_assembly(
            int(self._half),
            ctypes.byref(self._sizes),
            _pointers(self._proto, self._coefs, self._boxes, self._masks),
            _stream(),
        )
        _require_success(status)

    def reference(self) -> Any:
        """The same in PyTorch on the GPU, in float32."""
        from ..postprocess import assemble_masks

        return assemble_masks(self._proto[0].float(), self._coefs[0].float(), self._boxes[0])

    def check(self) -> None:
        """Raises AssertionError when both differ."""
        import torch

        self.run()
        tolerance = 2e-3 if self._half else 1e-4  # PyTorch may round products of float32 to TF32
        torch.testing.assert_close(self._masks[0].float(), self.reference(), rtol=0, atol=tolerance)
