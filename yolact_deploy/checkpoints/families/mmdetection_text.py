"""What the configuration text in an mmdetection checkpoint says that no tensor tells, and options that are not read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...config.model import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE, ModelConfig
from ...config.postprocess import PostprocessConfig
from ...errors import ConfigError
from .python_text import assigned_values

RULES = PostprocessConfig(clip_boxes=True, threshold_per_class=True, candidates_per_level=1000)
_CLOSE = 1e-3  # relative, of numbers that a text rounds


class UnreadError(Exception):
    """An option that changes what a network gives and that this project does not have; the text says which."""


@dataclass(frozen=True)
class Facts:
    """What a text says, with mmdetection's own configurations for what it does not say."""

    config: ModelConfig
    postprocess: PostprocessConfig
    ratios_first: bool = True  # anchors of a cell: ratio by ratio, and within it scale by scale


# Path in `model`, the values that are read (None: not said), the option's name. A path that is there has to fit.
_FIXED: tuple[tuple[str, tuple[Any, ...], str], ...] = (
    ("backbone.style", ("pytorch",), "backbone style"),
    ("backbone.deep_stem", (False,), "deep_stem"),
    ("backbone.avg_down", (False,), "avg_down"),
    ("backbone.strides", ((1, 2, 2, 2),), "backbone strides"),
    ("backbone.dilations", ((1, 1, 1, 1),), "backbone dilations"),
    ("neck.start_level", (1,), "start_level"),
    ("neck.add_extra_convs", ("on_input", "on_output", True), "add_extra_convs"),
    ("neck.relu_before_extra_convs", (False,), "relu_before_extra_convs"),
    ("neck.upsample_cfg.mode", ("bilinear",), "upsample_cfg of the neck"),
    ("bbox_head.loss_cls.use_sigmoid", (False,), "use_sigmoid"),
    ("bbox_head.num_head_convs", (1,), "num_head_convs"),
    ("bbox_head.bbox_coder.type", ("DeltaXYWHBBoxCoder",), "bbox_coder"),
    ("bbox_head.bbox_coder.target_means", ((0, 0, 0, 0),), "target_means"),
    ("bbox_head.bbox_coder.target_stds", ((0.1, 0.1, 0.2, 0.2),), "target_stds"),
    ("bbox_head.anchor_generator.center_offset", (0,), "center_offset"),
    ("mask_head.include_last_relu", (True,), "include_last_relu"),
    ("data_preprocessor.mean", ((123.68, 116.78, 103.94),), "mean of the pixels"),
    ("data_preprocessor.std", ((58.40, 57.12, 57.38),), "std of the pixels"),
    ("data_preprocessor.bgr_to_rgb", (True,), "bgr_to_rgb"),
    ("test_cfg.mask_thr", (0.5,), "mask_thr"),
    ("test_cfg.mask_thr_binary", (0.5,), "mask_thr_binary"),
)
_RENAMED = {
    "score_thr": "score_threshold",
    "iou_thr": "iou_threshold",
    "top_k": "top_k",
    "max_per_img": "max_detections",
}


def read_text(text: str, base: ModelConfig) -> Facts:
    """The facts of a whole configuration; base: mmdetection's own.

    Raises ValueError for what is no Python, UnreadError for an option that is not there.
    """
    values = assigned_values(text)
    model = _mapping(values.get("model"))
    if not model:
        raise ValueError("it assigns no model")
    if "test_cfg" not in model:  # of 2.0 to 2.3
        model = {**model, "test_cfg": _mapping(values.get("test_cfg"))}
    old_norm = _mapping(values.get("img_norm_cfg"))
    if "data_preprocessor" not in model and old_norm:
        named = {"mean": old_norm.get("mean"), "std": old_norm.get("std"), "bgr_to_rgb": old_norm.get("to_rgb")}
        model = {**model, "data_preprocessor": named}
    _check_fixed(model)
    try:
        config, ratios_first = _anchors(model, values, base)
        return Facts(config, _rules(_mapping(model.get("test_cfg"))), ratios_first)
    except ConfigError as error:
        raise UnreadError(str(error)) from None


def model_type(text: object) -> str | None:
    """The class of the model that a text configures, where it says one."""
    if not isinstance(text, str):
        return None
    try:
        found = _mapping(assigned_values(text).get("model")).get("type")
    except ValueError:
        return None
    return found if isinstance(found, str) and found.isidentifier() and len(found) < 60 else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _at(model: Mapping[str, Any], path: str) -> Any:
    """The value at a path of keys; None where there is none, or none that could be read."""
    value: Any = model
    for key in path.split("."):
        value = _mapping(value).get(key)
    return value


def _check_fixed(model: Mapping[str, Any]) -> None:
    for path, allowed, option in _FIXED:
        value = _at(model, path)
        if value is not None and not any(_same(value, one) for one in allowed):
            raise UnreadError(f"{option} = {str(value)[:60]}, where only {' or '.join(map(str, allowed))} is read")
    if _mapping(model.get("neck")) and "upsample_cfg" not in _mapping(model.get("neck")):
        raise UnreadError("nearest upsampling in the neck (no upsample_cfg), where only bilinear is read")


def _same(value: Any, wanted: Any) -> bool:
    if value is None:  # could not be read
        return True
    if isinstance(wanted, tuple):
        return isinstance(value, (list, tuple)) and len(value) == len(wanted) and all(map(_same, value, wanted))
    if isinstance(wanted, (bool, str)) or isinstance(value, bool):
        return type(value) is type(wanted) and value == wanted
    return isinstance(value, (int, float)) and math.isclose(value, wanted, rel_tol=_CLOSE, abs_tol=1e-9)


def _numbers(value: Any) -> list[float]:
    """A list of numbers above 0, empty for anything else."""
    is_list = isinstance(value, (list, tuple)) and 0 < len(value) <= 64
    if not is_list or not all(type(item) in (int, float) and 0 < item < 1e6 for item in value):
        return []
    return [float(item) for item in value]


def _anchors(model: Mapping[str, Any], values: Mapping[str, Any], base: ModelConfig) -> tuple[ModelConfig, bool]:
    """`base` with the anchors and the image size of a text, and whether its anchors come ratio by ratio."""
    generator = _mapping(_at(model, "bbox_head.anchor_generator"))
    bases, ratios = _numbers(generator.get("base_sizes")), _numbers(generator.get("ratios"))
    factors = _numbers(generator.get("scales"))
    octave, steps = _numbers([generator.get("octave_base_scale")]), generator.get("scales_per_octave")
    if not factors and octave and type(steps) is int and 1 <= steps <= 16:
        factors = [octave[0] * 2 ** (step / steps) for step in range(steps)]
    strides = _numbers(generator.get("strides"))
    config = base
    if ratios:
        config = replace(config, aspect_ratios=tuple(1 / ratio for ratio in ratios))
    if factors and (bases or strides):
        config = replace(config, scales=tuple(tuple(size * factor for factor in factors) for size in bases or strides))
    config = replace(config, image_size=_image_size(values, strides, config))
    if _at(model, "neck.add_extra_convs") == "on_output":
        config = replace(config, fpn_extra_from="P5")
    _check_centers(generator, config)
    return config, generator.get("scale_major", True) is not False


def _image_size(values: Mapping[str, Any], strides: list[float], config: ModelConfig) -> int:
    """The one size that the text names: as a variable, in the test pipeline, and by the strides."""
    named = (values.get(name) for name in ("input_size", "img_size"))
    found: set[int] = {value for value in named if type(value) is int}
    for step in _steps(values.get("test_pipeline")):
        if step.get("keep_ratio") is True:
            raise UnreadError("keep_ratio=True in the test pipeline: only images that are resized to a square are read")
        size = step.get("img_scale", step.get("scale"))
        if isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(side, int) for side in size):
            if size[0] != size[1]:
                raise UnreadError(f"images of {size[0]} x {size[1]} px: only a square is read")
            found.add(size[0])
    if strides:
        found.add(_size_of_strides(strides, config))
    if len(found) > 1:
        raise UnreadError(f"image sizes that differ: {', '.join(f'{size} px' for size in sorted(found))}")
    return found.pop() if found else config.image_size


def _steps(pipeline: Any, depth: int = 8) -> list[dict[str, Any]]:
    """Resize steps, also within others."""
    steps: list[dict[str, Any]] = []
    for step in pipeline if isinstance(pipeline, (list, tuple)) and depth else ():
        step = _mapping(step)
        if step.get("type") in ("Resize", "MultiScaleFlipAug"):
            steps.append(step)
        steps += _steps(step.get("transforms"), depth - 1)
    return steps


def _size_of_strides(strides: list[float], config: ModelConfig) -> int:
    """The image size of which every stride is a level's share. Raises UnreadError where there is none."""
    for size in range(MIN_IMAGE_SIZE, MAX_IMAGE_SIZE + 1):
        cells = _cells(size, len(strides))
        if all(
            math.isclose(stride * count, size, rel_tol=_CLOSE) for stride, count in zip(strides, cells, strict=True)
        ):
            return size
    shown = ", ".join(f"{stride:g}" for stride in strides[:8])
    raise UnreadError(f"strides = {shown}: no image size divided by the cells of its levels")


def _cells(size: int, levels: int) -> list[int]:
    cells = [-(-size // 8)]
    while len(cells) < levels:
        cells.append(-(-cells[-1] // 2))
    return cells


def _check_centers(generator: Mapping[str, Any], config: ModelConfig) -> None:
    """Raise UnreadError unless anchors lie in the middle of their cells, as far as the text says."""
    centers = generator.get("centers")
    if centers is None:
        return
    wanted = [config.image_size / 2 / count for count in _cells(config.image_size, len(config.scales))]
    if not _same(centers, tuple((half, half) for half in wanted)):
        raise UnreadError("centers of anchors that are not the middles of their cells")


def _rules(test: Mapping[str, Any]) -> PostprocessConfig:
    given = {ours: test[theirs] for theirs, ours in _RENAMED.items() if type(test.get(theirs)) in (int, float)}
    best = test.get("nms_pre")
    if type(best) is int:
        given["candidates_per_level"] = max(best, 0)  # -1, too, is all
    return PostprocessConfig.from_dict({**RULES.to_dict(), **given})
