"""What the kernels are tried on: reproducible inputs, small and odd ones, the usual sizes and the worst cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from yolact_deploy.benchmarks.kernels.operators import FastNms, ImageMasks, Masks, Operator
from yolact_deploy.config.postprocess import PostprocessConfig

FAST_NMS, MASKS, IMAGE_MASKS = "Fast NMS", "masks", "image-size masks"
PRECISIONS = {"fp32": np.float32, "fp16": np.float16}
GROUPS = tuple(f"{operator}, {precision}" for operator in (FAST_NMS, MASKS, IMAGE_MASKS) for precision in PRECISIONS)

_USUAL = PostprocessConfig()
_ALL_PASS = PostprocessConfig(score_threshold=0.0)
_OTHER_RULES = PostprocessConfig(
    clip_boxes=True, threshold_per_class=True, candidates_per_level=200, level_priors=(1000, 400, 100)
)


@dataclass(frozen=True)
class Case:
    """One operator with one input, which is made when it is asked for."""

    name: str
    make: Callable[[], Operator]


def check_cases(group: str) -> list[Case]:
    """What the kernels of one of GROUPS are checked with."""
    operator, _, precision = group.partition(", ")
    dtype = PRECISIONS[precision]
    cases = {FAST_NMS: _fast_nms_cases, MASKS: _mask_cases, IMAGE_MASKS: _image_mask_cases}[operator]
    return cases(dtype)


def sanitizer_cases() -> list[Case]:
    """A few small ones of each operator: compute-sanitizer slows kernels down up to a thousand times."""
    return [
        Case("Fast NMS", lambda: fast_nms(np.float32, 700, 6, 8, 300)),
        Case("Fast NMS, more than is sorted", lambda: fast_nms(np.float16, 1500, 3, 8, 1500, _ALL_PASS)),
        Case(
            "Fast NMS, cross-class", lambda: fast_nms(np.float32, 700, 6, 8, 300, PostprocessConfig(cross_class=True))
        ),
        Case("Fast NMS, limited levels", lambda: fast_nms(np.float32, 1500, 6, 8, 1200, _OTHER_RULES)),
        Case("masks, fp32", lambda: masks(np.float32, 9, 35, 37, 32)),
        Case("masks, fp16", lambda: masks(np.float16, 9, 35, 37, 13)),
        Case("image-size masks, fp32", lambda: image_masks(np.float32, 9, 35, 37, 32, 100, 130)),
        Case("image-size masks, fp16", lambda: image_masks(np.float16, 5, 69, 71, 32, 33, 31)),
    ]


def timed_cases() -> list[Case]:
    """The sizes of COCO at 550 px, and the worst case of YOLACT++."""
    across = PostprocessConfig(cross_class=True)
    single, half = np.float32, np.float16
    return [
        Case("Fast NMS, 19248 priors, 300 candidates, fp32", lambda: fast_nms(single, 19248, 80, 32, 300)),
        Case("Fast NMS, 19248 priors, 300 candidates, fp16", lambda: fast_nms(half, 19248, 80, 32, 300)),
        Case("Fast NMS, the same, fp32, cross-class", lambda: fast_nms(single, 19248, 80, 32, 300, across)),
        Case(
            "Fast NMS, 57744 priors, all candidates, fp16",
            lambda: fast_nms(half, 57744, 80, 32, 57744, _ALL_PASS, exact=True),
        ),
        Case("masks, 100 of 138x138, fp32", lambda: masks(single, 100, 138, 138, 32)),
        Case("masks, 100 of 138x138, fp16", lambda: masks(half, 100, 138, 138, 32)),
        Case("image-size masks, 100 of 640x480, fp32", lambda: image_masks(single, 100, 138, 138, 32, 480, 640)),
        Case("image-size masks, 100 of 640x480, fp16", lambda: image_masks(half, 100, 138, 138, 32, 480, 640)),
    ]


def _fast_nms_cases(dtype: type) -> list[Case]:
    across = PostprocessConfig(cross_class=True)
    strict = PostprocessConfig(score_threshold=1.0)
    few = PostprocessConfig(top_k=12, max_detections=7)
    return [
        Case("one prior, one class", lambda: fast_nms(dtype, 1, 1, 1, 1)),
        Case("small", lambda: fast_nms(dtype, 40, 3, 4, 20, few)),
        Case("nothing above the threshold", lambda: fast_nms(dtype, 500, 3, 4, 20, strict)),
        Case("odd sizes", lambda: fast_nms(dtype, 1037, 7, 13, 333)),
        Case("batch of 3", lambda: fast_nms(dtype, 257, 5, 8, 100, batch=3)),
        Case("all scores equal", lambda: _equal_scores(dtype)),
        Case("scores and boxes that are not finite", lambda: _not_finite(dtype)),
        Case("cross-class", lambda: fast_nms(dtype, 1500, 11, 32, 700, across)),
        Case("limited levels", lambda: fast_nms(dtype, 1500, 6, 8, 1200, _OTHER_RULES)),
        Case("usual, 19248 priors", lambda: fast_nms(dtype, 19248, 80, 32, 300)),
        Case("worst case, 19248 candidates", lambda: fast_nms(dtype, 19248, 80, 32, 19248, _ALL_PASS, exact=True)),
        Case("worst case, cross-class", lambda: fast_nms(dtype, 19248, 80, 32, 19248, across, exact=True)),
    ]


def _mask_cases(dtype: type) -> list[Case]:
    return [
        Case("small", lambda: masks(dtype, 2, 4, 5, 3)),
        Case("no masks", lambda: masks(dtype, 0, 4, 5, 3)),
        Case("empty boxes", lambda: masks(dtype, 7, 35, 37, 8, empty=True)),
        Case("odd sizes, batch of 2", lambda: masks(dtype, 37, 71, 69, 13, batch=2)),
        Case("usual, 100 of 138x138", lambda: masks(dtype, 100, 138, 138, 32)),
        Case("most masks and coefficients", lambda: masks(dtype, 1024, 33, 31, 64)),
    ]


def _image_mask_cases(dtype: type) -> list[Case]:
    return [
        Case("one pixel", lambda: image_masks(dtype, 2, 4, 5, 3, 1, 1)),
        Case("no masks", lambda: image_masks(dtype, 0, 4, 5, 3, 10, 33)),
        Case("empty boxes", lambda: image_masks(dtype, 7, 35, 37, 8, 50, 70, empty=True)),
        Case("odd sizes, batch of 2", lambda: image_masks(dtype, 9, 35, 37, 13, 101, 203, batch=2)),
        Case("smaller than the prototypes", lambda: image_masks(dtype, 20, 69, 71, 32, 33, 31)),
        Case("usual, 100 of 640x480", lambda: image_masks(dtype, 100, 138, 138, 32, 480, 640)),
    ]


def fast_nms(
    dtype: type,
    priors: int,
    classes: int,
    coefs: int,
    candidates: int,
    config: PostprocessConfig = _USUAL,
    batch: int = 1,
    exact: bool = False,
) -> FastNms:
    """Random raw outputs, `candidates` of whose priors score above 0.1, the others below 0.02.

    exact: boxes keep the sizes of their priors, so that exp, which differs in its last bits from one library to the
    next, decides about no IoU. In millions of pairs some are that near to the threshold.
    """
    rng = np.random.default_rng(priors + 7 * classes + candidates)
    conf = rng.random((batch, priors, 1 + classes), np.float32) * np.float32(0.01) + np.float32(1e-4)
    for image in conf:
        chosen = rng.permutation(priors)[:candidates]
        image[chosen, 1 + np.arange(candidates) % classes] = 0.1 + 0.9 * rng.random(candidates)
    loc = rng.random((batch, priors, 4), np.float32) - np.float32(0.5)
    if exact:
        loc[..., 2:] = 0
    anchors = rng.random((priors, 4), np.float32) * np.float32(0.5) + np.float32(0.05)
    coef = rng.random((batch, priors, coefs), np.float32)
    return FastNms(loc.astype(dtype), conf.astype(dtype), coef.astype(dtype), anchors, config)


def _equal_scores(dtype: type) -> FastNms:
    made = fast_nms(dtype, 600, 5, 8, 0)
    return FastNms(made.loc, np.full_like(made.conf, 0.25), made.coef, made.priors, made.config)


def _not_finite(dtype: type) -> FastNms:
    made = fast_nms(dtype, 300, 3, 4, 200)
    made.conf[0, 5:9, 2], made.conf[0, 10:12, 1], made.conf[0, 13, 3] = np.nan, np.inf, -np.inf
    made.loc[0, 20:23, 0], made.loc[0, 30:33, 2] = np.nan, np.inf
    return made


def masks(dtype: type, count: int, height: int, width: int, coefs: int, batch: int = 1, empty: bool = False) -> Masks:
    """Random prototypes and coefficients, boxes of a quarter of each side on average. empty: every other has no box."""
    rng = np.random.default_rng(count + 31 * height + width)
    proto = rng.random((batch, height, width, coefs), np.float32)
    weights = rng.standard_normal((batch, count, coefs), np.float32)
    corner = rng.random((batch, count, 2), np.float32) * np.float32(1.1) - np.float32(0.1)
    size = rng.random((batch, count, 2), np.float32) * np.float32(0.5)
    boxes = np.concatenate((corner, corner + size), axis=-1)
    if empty:
        boxes[:, ::2] = 0
    return Masks(proto.astype(dtype), weights.astype(dtype), boxes)


def image_masks(
    dtype: type,
    count: int,
    height: int,
    width: int,
    coefs: int,
    image_height: int,
    image_width: int,
    batch: int = 1,
    empty: bool = False,
) -> ImageMasks:
    """The same for an image of `image_height` x `image_width` px."""
    made = masks(dtype, count, height, width, coefs, batch, empty)
    return ImageMasks(made.proto, made.coefs, made.boxes, image_height, image_width)
