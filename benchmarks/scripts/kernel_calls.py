"""The kernels of a plugin library as calls on PyTorch's CUDA tensors, each with the same work in PyTorch."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from yolact_deploy.benchmarks.scripts.kernel_library import (
    FastNmsSettings,
    FastNmsSizes,
    ImageSize,
    KernelLibrary,
    MaskSizes,
)
from yolact_deploy.config.model import PostprocessConfig
from yolact_deploy.ops.masks import words_of_row

if TYPE_CHECKING:
    import torch


class KernelCall(Protocol):
    """One operator with one input."""

    name: str
    bytes_moved: int  # read and written at least
    kernels: dict[str, Callable[[], None]]  # enqueue one kernel; in order they do what `run` does. Empty: there is one

    def run(self) -> None:
        """Enqueue all of it on PyTorch's stream."""
        ...

    def reference(self) -> Any:
        """The same in PyTorch, in float32."""
        ...

    def check(self) -> None:
        """Raises AssertionError when both differ."""
        ...


def _pointers(*tensors: Any) -> Any:
    """An operator's struct of pointers: they all have one size."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


def _bytes_of(*tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _kind(half: bool) -> str:
    return "fp16" if half else "fp32"


class FastNmsCall:
    """`YolactFastNMS` on one image of random raw outputs, `candidates` of whose priors are above the threshold."""

    def __init__(
        self,
        library: KernelLibrary,
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

        variant = ", cross-class" if config.cross_class else ""
        self.name = f"Fast NMS, {priors} priors, {candidates} candidates, {classes} classes, {_kind(half)}{variant}"
        conf = uniform(1, priors, 1 + classes) * 0.01 + 1e-4
        chosen = torch.randperm(priors, generator=generator, device=device)[:candidates]
        conf[0, chosen, 1 + torch.arange(candidates, device=device) % classes] = 0.1 + 0.9 * uniform(candidates)
        self._loc = (uniform(1, priors, 4) - 0.5).to(dtype)
        self._conf = conf.to(dtype)
        self._coef = uniform(1, priors, coefs).to(dtype)
        self._priors = uniform(priors, 4) * 0.5 + 0.05
        rows = config.output_count
        self.outputs = (
            torch.empty(1, rows, 4, device=device),
            torch.empty(1, rows, device=device),
            torch.empty(1, rows, dtype=torch.int32, device=device),
            torch.empty(1, rows, coefs, dtype=dtype, device=device),
            torch.empty(1, dtype=torch.int32, device=device),
        )
        names = ("filter", "suppress", "finish")
        self.kernels: dict[str, Callable[[], None]] = {
            name: functools.partial(self._run_kernel, index) for index, name in enumerate(names)
        }
        self._library, self._config, self._half = library, config, half
        self._sizes, self._settings = FastNmsSizes(1, priors, classes, coefs), FastNmsSettings.of(config)
        workspace_bytes = library.native.yolact_fast_nms_workspace_bytes(
            ctypes.byref(self._sizes), ctypes.byref(self._settings)
        )
        self._workspace = torch.empty(workspace_bytes, dtype=torch.uint8, device=device)
        # All scores, boxes of candidates, coefficients of detections.
        read = (self._conf, self._loc[0, :candidates], self._priors[:candidates], self._coef[0, :rows])
        self.bytes_moved = _bytes_of(*read, *self.outputs)

    def run(self) -> None:
        """See `KernelCall`."""
        self._library.launch("fast_nms", *self._arguments())

    def _run_kernel(self, index: int) -> None:
        self._library.launch("fast_nms_kernel", index, *self._arguments())

    def _arguments(self) -> tuple[Any, ...]:
        tensors = _pointers(self._loc, self._conf, self._coef, self._priors, *self.outputs)
        workspace = ctypes.c_void_p(self._workspace.data_ptr())
        return int(self._half), self._sizes, self._settings, tensors, workspace

    def reference(self) -> Any:
        """See `KernelCall`."""
        from yolact_deploy.ops.postprocess import fast_nms

        loc, conf, coef = (tensor[0].float() for tensor in (self._loc, self._conf, self._coef))
        return fast_nms(loc, conf, coef, self._priors, self._config)

    def check(self) -> None:
        """See `KernelCall`."""
        import torch

        self.run()
        expected = self.reference()
        count = int(self.outputs[4])
        assert count == len(expected.scores)
        assert torch.equal(self.outputs[2][0, :count].long(), expected.classes)
        torch.testing.assert_close(self.outputs[0][0, :count], expected.boxes, rtol=1e-4, atol=1e-4)


class MaskCall:
    """`YolactMaskAssembly` on one image, boxes of a quarter of each side on average."""

    def __init__(
        self,
        library: KernelLibrary,
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
        self.name = f"mask assembly, {masks} masks, {width}x{height}, {_kind(half)}"
        self._proto = torch.rand((1, height, width, coefs), generator=generator, device=device).to(dtype)
        self._coefs = torch.randn((1, masks, coefs), generator=generator, device=device).to(dtype)
        corner = torch.rand((1, masks, 2), generator=generator, device=device) * 0.75
        size = torch.rand((1, masks, 2), generator=generator, device=device) * 0.5
        self._boxes = torch.cat((corner, corner + size), dim=-1)
        self.kernels: dict[str, Callable[[], None]] = {}
        self._library, self._half = library, half
        self._sizes = MaskSizes(1, height, width, coefs, masks)
        self.masks = self._allocate()
        self.bytes_moved = _bytes_of(self._proto, self._coefs, self._boxes, self.masks)

    def _allocate(self) -> torch.Tensor:
        """The operator's output."""
        _, masks, _ = self._coefs.shape
        _, height, width, _ = self._proto.shape
        return self._proto.new_empty((1, masks, height, width))

    def _pointers(self) -> Any:
        return _pointers(self._proto, self._coefs, self._boxes, self.masks)

    def run(self) -> None:
        """See `KernelCall`."""
        self._library.launch("mask_assembly", int(self._half), self._sizes, self._pointers())

    def reference(self) -> torch.Tensor:
        """See `KernelCall`."""
        from yolact_deploy.ops.postprocess import assemble_masks

        return assemble_masks(self._proto[0].float(), self._coefs[0].float(), self._boxes[0])

    def check(self) -> None:
        """See `KernelCall`."""
        import torch

        self.run()
        tolerance = 2e-3 if self._half else 1e-4  # PyTorch may round products of float32 to TF32
        torch.testing.assert_close(self.masks[0].float(), self.reference(), rtol=0, atol=tolerance)


class ImageMaskCall(MaskCall):
    """The same at the image's size, one bit per pixel. The reference makes booleans, and does not pack them."""

    def __init__(
        self,
        library: KernelLibrary,
        masks: int,
        height: int,
        width: int,
        coefs: int,
        image_height: int,
        image_width: int,
        half: bool,
        device: str = "cuda",
    ) -> None:
        self._image = ImageSize(image_height, image_width)
        super().__init__(library, masks, height, width, coefs, half, device)
        prototypes = f"prototypes {width}x{height}"
        self.name = f"image-size masks, {masks} masks, {image_width}x{image_height}, {prototypes}, {_kind(half)}"

    def _allocate(self) -> torch.Tensor:
        import torch

        shape = (1, self._coefs.shape[1], self._image.height, words_of_row(self._image.width))
        return torch.empty(shape, dtype=torch.int32, device=self._proto.device)

    def run(self) -> None:
        """See `KernelCall`."""
        self._library.launch("image_masks", int(self._half), self._sizes, self._image, self._pointers())

    def reference(self) -> torch.Tensor:
        """See `KernelCall`."""
        from yolact_deploy.ops.postprocess import full_size_masks

        return full_size_masks(super().reference(), self._image.height, self._image.width)

    def check(self) -> None:
        """See `KernelCall`. A pixel within rounding of the threshold may fall on either side of it."""
        import torch

        from yolact_deploy.ops.masks import MASK_THRESHOLD
        from yolact_deploy.ops.postprocess import upsample_masks

        self.run()
        bits = torch.arange(32, dtype=torch.int32, device=self.masks.device)
        pixels = ((self.masks[0, ..., None] >> bits) & 1).bool().flatten(2)
        assert not pixels[..., self._image.width :].any()
        soft = upsample_masks(super().reference(), self._image.height, self._image.width)
        differs = pixels[..., : self._image.width] != (soft > MASK_THRESHOLD)
        torch.testing.assert_close(soft[differs], torch.full_like(soft[differs], MASK_THRESHOLD), rtol=0, atol=1e-4)
