"""The operators with inputs: what their kernels must do, what they must give, the same in PyTorch, and bytes moved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from yolact_deploy.benchmarks.kernels import reference
from yolact_deploy.benchmarks.kernels.device import Arrays, Launch, Work
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.ops.masks import MASK_THRESHOLD, unpack_masks, upsampled_windows, words_of_row
from yolact_deploy.trt.kernel_library import (
    FAST_NMS_KERNELS,
    FastNmsSettings,
    FastNmsSizes,
    ImageSize,
    KernelLibrary,
    MaskSizes,
)
from yolact_deploy.types import WORD_BITS, PackedMasks

BOX_TOLERANCE = 1e-5  # exp may differ in its last bits
MASK_TOLERANCE = {"float32": 1e-5, "float16": 2e-3}
THRESHOLD_MARGIN = 1e-5  # a pixel this near to the threshold may fall on either side of it


class WrongResultError(Exception):
    """A kernel gave something else than the reference; the text says what."""


class Operator(ABC):
    """One operator with its inputs."""

    @property
    @abstractmethod
    def work(self) -> Work:
        """What the kernels are given to do."""

    @property
    @abstractmethod
    def bytes_moved(self) -> int:
        """Read and written at least."""

    @abstractmethod
    def check(self, outputs: Arrays) -> float:
        """The largest difference from the reference. Raises WrongResultError when it is too large."""

    @abstractmethod
    def in_pytorch(self, torch: Any, device: str) -> Callable[[], Any]:
        """A call that does the same in PyTorch, in float32, on `device`. Batch 1 only."""


@dataclass(frozen=True)
class FastNms(Operator):
    """`YolactFastNMS`."""

    loc: np.ndarray  # [B,N,4], with conf and coef float32 or float16
    conf: np.ndarray  # [B,N,1+C]
    coef: np.ndarray  # [B,N,K]
    priors: np.ndarray  # [N,4] float32
    config: PostprocessConfig

    @property
    def work(self) -> Work:
        batch, priors, columns = self.conf.shape
        coefs, rows = self.coef.shape[2], self.config.output_count
        sizes, settings = FastNmsSizes(batch, priors, columns - 1, coefs), FastNmsSettings.of(self.config)
        arguments = (int(self.conf.dtype == np.float16), sizes, settings)

        def workspace_bytes(library: KernelLibrary) -> int:
            return library.fast_nms_workspace_bytes(sizes, settings)

        return Work(
            inputs={"loc": self.loc, "conf": self.conf, "coef": self.coef, "priors": self.priors},
            outputs={
                "boxes": ((batch, rows, 4), np.dtype(np.float32)),
                "scores": ((batch, rows), np.dtype(np.float32)),
                "classes": ((batch, rows), np.dtype(np.int32)),
                "coefs": ((batch, rows, coefs), self.coef.dtype),
                "num_detections": ((batch,), np.dtype(np.int32)),
            },
            whole=Launch("fast_nms", arguments, uses_workspace=True),
            kernels={
                name: Launch("fast_nms_kernel", (index, *arguments), uses_workspace=True)
                for index, name in enumerate(FAST_NMS_KERNELS)
                if name != "limit" or self.config.candidates_per_level
            },
            workspace_bytes=workspace_bytes,
        )

    @property
    def bytes_moved(self) -> int:
        """All scores, the boxes of the candidates, the coefficients of the detections, and the outputs."""
        candidates = int((self.conf[..., 1:] > self.config.score_threshold).any(-1).sum())
        box = 4 * self.loc.itemsize + 4 * self.priors.itemsize
        coefs = self.coef[:, : self.config.output_count].nbytes
        return self.conf.nbytes + candidates * box + coefs + _output_bytes(self.work)

    @cached_property
    def expected(self) -> tuple[reference.Kept, ...]:
        """Of each image."""
        loc, conf, coef = (array.astype(np.float32) for array in (self.loc, self.conf, self.coef))
        return tuple(
            reference.fast_nms(loc[index], conf[index], coef[index], self.priors, self.config)
            for index in range(len(loc))
        )

    def check(self, outputs: Arrays) -> float:
        worst = 0.0
        for index, kept in enumerate(self.expected):
            count = int(outputs["num_detections"][index])
            if count != len(kept.scores):
                raise WrongResultError(f"image {index}: {count} detections, expected {len(kept.scores)}")
            for name in ("scores", "classes", "coefs"):
                if not np.array_equal(outputs[name][index, :count], getattr(kept, name)):
                    raise WrongResultError(f"image {index}: {name} differ")
            if any(outputs[name][index, count:].any() for name in ("boxes", "scores", "classes", "coefs")):
                raise WrongResultError(f"image {index}: rows past the last detection are not zero")
            boxes = outputs["boxes"][index, :count]
            difference = np.abs(boxes - kept.boxes) / np.maximum(np.abs(kept.boxes), 1)
            worst = max(worst, _within(difference, BOX_TOLERANCE, f"image {index}: boxes"))
        return worst

    def in_pytorch(self, torch: Any, device: str) -> Callable[[], Any]:
        from yolact_deploy.ops.postprocess import fast_nms

        loc, conf, coef = (torch.from_numpy(array[0]).to(device).float() for array in (self.loc, self.conf, self.coef))
        return partial(fast_nms, loc, conf, coef, torch.from_numpy(self.priors).to(device), self.config)


@dataclass(frozen=True)
class Masks(Operator):
    """`YolactMaskAssembly`, at prototype size."""

    proto: np.ndarray  # [B,Hp,Wp,K], with coefs float32 or float16
    coefs: np.ndarray  # [B,D,K]
    boxes: np.ndarray  # [B,D,4] float32, relative

    @property
    def sizes(self) -> MaskSizes:
        """As the kernels take them."""
        return MaskSizes(*self.proto.shape, self.coefs.shape[1])

    @property
    def is_half(self) -> int:
        """1 for float16."""
        return int(self.proto.dtype == np.float16)

    @property
    def inputs(self) -> Arrays:
        """By name."""
        return {"proto": self.proto, "coefs": self.coefs, "boxes": self.boxes}

    @property
    def work(self) -> Work:
        batch, height, width, _ = self.proto.shape
        masks = ((batch, self.coefs.shape[1], height, width), self.proto.dtype)
        return Work(self.inputs, {"masks": masks}, Launch("mask_assembly", (self.is_half, self.sizes)), {})

    @property
    def bytes_moved(self) -> int:
        return sum(array.nbytes for array in self.inputs.values()) + _output_bytes(self.work)

    @cached_property
    def expected(self) -> tuple[np.ndarray, ...]:
        """Soft masks [D,Hp,Wp] float32 at prototype size of each image; a box of four zeros is no detection."""
        proto, coefs = self.proto.astype(np.float32), self.coefs.astype(np.float32)
        images = zip(proto, coefs, self.boxes, strict=True)
        return tuple(reference.assemble_masks(*image) * image[2].any(-1)[:, None, None] for image in images)

    def check(self, outputs: Arrays) -> float:
        tolerance = MASK_TOLERANCE[self.proto.dtype.name]
        differences = [
            _within(np.abs(masks.astype(np.float32) - expected), tolerance, f"image {index}: masks")
            for index, (masks, expected) in enumerate(zip(outputs["masks"], self.expected, strict=True))
        ]
        return max(differences, default=0.0)

    def in_pytorch(self, torch: Any, device: str) -> Callable[[], Any]:
        from yolact_deploy.ops.postprocess import assemble_masks

        proto, coefs, boxes = (torch.from_numpy(array[0]).to(device).float() for array in self.inputs.values())
        return partial(assemble_masks, proto, coefs, boxes)


@dataclass(frozen=True)
class ImageMasks(Masks):
    """The same at the image's size, a bit per pixel. In PyTorch they are booleans, and not packed."""

    height: int  # of the image, px
    width: int

    @property
    def work(self) -> Work:
        shape = (len(self.proto), self.coefs.shape[1], self.height, words_of_row(self.width))
        launch = Launch("image_masks", (self.is_half, self.sizes, ImageSize(self.height, self.width)))
        return Work(self.inputs, {"masks": (shape, np.dtype(np.int32))}, launch, {})

    def check(self, outputs: Arrays) -> float:
        """0: bits are right or wrong."""
        for index, (words, soft_masks) in enumerate(zip(outputs["masks"], self.expected, strict=True)):
            pixels = unpack_masks(PackedMasks(words), self.height, WORD_BITS * words.shape[2]).copy()
            for mask, rows, columns, soft in upsampled_windows(soft_masks, self.boxes[index], self.height, self.width):
                window = pixels[mask, rows, columns]
                wrong = (window != (soft > MASK_THRESHOLD)) & (np.abs(soft - MASK_THRESHOLD) > THRESHOLD_MARGIN)
                if wrong.any():
                    raise WrongResultError(f"image {index}, mask {mask}: {int(wrong.sum())} pixels differ")
                window[:] = False
            if pixels.any():
                raise WrongResultError(f"image {index}: {int(pixels.sum())} pixels outside of boxes or image are set")
        return 0.0

    def in_pytorch(self, torch: Any, device: str) -> Callable[[], Any]:
        from yolact_deploy.ops.postprocess import full_size_masks

        assemble = super().in_pytorch(torch, device)
        return lambda: full_size_masks(assemble(), self.height, self.width)


def _output_bytes(work: Work) -> int:
    return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in work.outputs.values())


def _within(difference: np.ndarray, tolerance: float, what: str) -> float:
    """The largest difference; what is not a number is too large."""
    worst = float(difference.max(initial=0.0))
    if not worst <= tolerance:
        raise WrongResultError(f"{what} differ by {worst:.3g}, allowed is {tolerance:g}")
    return worst
