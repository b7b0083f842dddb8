"""The parser on outputs of real models, against Predictor; and on outputs that no model gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.packages.deepstream.conftest import Case
from tests.packages.deepstream.parser_host import Found, Frame, Layer, parse

Array = np.ndarray
Layers = dict[str, Layer]


def make_layers(boxes: Array, masks: Array, scores: Array | None = None, count: int | None = None) -> Layers:
    """Layers of a made frame: boxes [D,4], masks [D,h,w]."""
    rows = len(boxes)
    arrays = {
        "boxes": np.asarray(boxes, np.float32),
        "scores": np.full(rows, 0.9, np.float32) if scores is None else np.asarray(scores, np.float32),
        "classes": np.arange(rows, dtype=np.int32) % 6,
        "masks": np.asarray(masks, np.float32),
        "num_detections": np.array([rows if count is None else count], np.int32),
    }
    return {name: Layer(name, array) for name, array in arrays.items()}


def frame_of(layers: Layers, **changes: float) -> Frame:
    return replace(Frame(list(layers.values())), **changes)  # type: ignore[arg-type]


def sampled(mask: Array, x1: float, y1: float, x2: float, y2: float, height: int, width: int) -> Array:
    """What a mask [h,w] of the whole frame is at the pixels of a mask of a box, by PyTorch."""
    x = x1 + (np.arange(width) + 0.5) / width * (x2 - x1)
    y = y1 + (np.arange(height) + 0.5) / height * (y2 - y1)
    grid = np.stack(np.meshgrid(x * 2 - 1, y * 2 - 1), axis=-1).astype(np.float32)
    source, where = torch.from_numpy(mask[None, None]), torch.from_numpy(grid[None])
    return torch.nn.functional.grid_sample(source, where, padding_mode="border", align_corners=False)[0, 0].numpy()


def drawn(found: Found, side: int, height: int, width: int) -> Array:
    """The mask of an object in a frame of height x width px: bilinear, pixel by pixel inside the box."""
    left, right = found.left * width / side, (found.left + found.width) * width / side
    top, bottom = found.top * height / side, (found.top + found.height) * height / side
    x = np.arange(np.ceil(left - 0.5), np.ceil(right - 0.5)).astype(int)
    y = np.arange(np.ceil(top - 0.5), np.ceil(bottom - 0.5)).astype(int)
    result = np.zeros((height, width), np.bool_)
    u, v = (x + 0.5 - left) / (right - left), (y + 0.5 - top) / (bottom - top)
    grid = np.stack(np.meshgrid(u * 2 - 1, v * 2 - 1), axis=-1).astype(np.float32)
    soft = torch.nn.functional.grid_sample(
        torch.from_numpy(found.mask[None, None]),
        torch.from_numpy(grid[None]),
        padding_mode="border",
        align_corners=False,
    )
    result[np.ix_(y, x)] = soft[0, 0].numpy() > 0.5
    return result


def test_objects_are_those_of_predictor(parser: Path, cases: list[Case], tmp_path: Path) -> None:
    results, _ = parse(parser, [case.frame for case in cases], tmp_path)
    overlaps = []
    for case, found in zip(cases, results, strict=True):
        expected, side = case.detections, case.frame.width
        assert found is not None
        assert [one.number for one in found] == expected.classes.tolist()
        assert [one.confidence for one in found] == expected.scores.tolist()
        for one, box, mask in zip(found, expected.boxes, expected.masks, strict=True):
            corners = np.array([one.left, one.top, one.left + one.width, one.top + one.height])
            scale = np.array([expected.width, expected.height] * 2) / side
            assert np.all(np.abs(corners * scale - box) < 1.01)  # Predictor's are whole pixels, rounded down
            if one.confidence >= 0.15 and mask.any():
                mine = drawn(one, side, expected.height, expected.width)
                overlaps.append((mine & mask).sum() / (mine | mask).sum())
    assert sum(len(case.detections) for case in cases) > 200
    assert np.median(overlaps) > 0.985


def test_masks_are_the_models_own_at_the_place_of_the_box(parser: Path, cases: list[Case], tmp_path: Path) -> None:
    for case, found in zip(cases, parse(parser, [case.frame for case in cases], tmp_path)[0], strict=True):
        masks = next(layer.data for layer in case.frame.layers if layer.name == "masks")
        assert found is not None
        assert masks is not None
        for one, mask in zip(found, masks, strict=False):
            ends = (one.left, one.top, one.left + one.width, one.top + one.height)
            expected = sampled(mask, *(end / case.frame.width for end in ends), *one.mask.shape)
            np.testing.assert_allclose(one.mask, expected, atol=2e-3)


def test_the_size_of_a_mask_follows_its_box(parser: Path, tmp_path: Path) -> None:
    boxes = np.array([[0.1, 0.1, 0.11, 0.9], [0, 0, 0.25, 0.2], [0, 0, 1, 1]])
    (found,), _ = parse(parser, [frame_of(make_layers(boxes, np.ones((3, 64, 64))))], tmp_path)
    assert found is not None
    assert [one.mask.shape for one in found] == [(512, 128), (205, 256), (512, 512)]


def test_boxes_end_at_the_frame(parser: Path, tmp_path: Path) -> None:
    boxes = [[-0.5, -1, 0.5, 2], [0.75, 0.5, 0.25, 0.25], [1.1, 0, 1.2, 1], [0.5, 0.2, 0.5, 0.4], [-3e38, 0, 3e38, 0.5]]
    (found,), _ = parse(parser, [frame_of(make_layers(np.array(boxes), np.ones((5, 4, 4))))], tmp_path)
    assert found is not None
    assert [(one.number, one.left, one.top, one.width, one.height) for one in found] == [
        (0, 0, 0, 128, 256),
        (1, 64, 64, 128, 64),  # its ends were the wrong way round
        (4, 0, 0, 256, 128),  # those without an area inside the frame are gone
    ]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 1), (2, 2)])
def test_prototypes_of_a_pixel_or_two(parser: Path, tmp_path: Path, shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).random((1, *shape)).astype(np.float32)
    (found,), _ = parse(parser, [frame_of(make_layers(np.array([[0.2, 0.1, 0.9, 0.8]]), mask))], tmp_path)
    assert found is not None
    expected = sampled(mask[0], 0.2, 0.1, 0.9, 0.8, *found[0].mask.shape)
    np.testing.assert_allclose(found[0].mask, expected, atol=1e-4)


def test_thresholds_and_configured_classes(parser: Path, tmp_path: Path) -> None:
    boxes = np.tile([0.1, 0.1, 0.5, 0.5], (6, 1))
    layers = make_layers(boxes, np.ones((6, 4, 4)), np.linspace(1.2, 0.2, 6))
    frames = [
        frame_of(layers, threshold=0.5),
        frame_of(layers, classes=2),
        frame_of(make_layers(boxes, np.ones((6, 4, 4)), count=0)),
    ]
    (some, two, none), _ = parse(parser, frames, tmp_path)
    assert some is not None
    assert two is not None
    assert [one.number for one in some] == [0, 1, 2, 3]
    assert some[0].confidence == 1  # nvinfer wants no more
    assert [one.number for one in two] == [0, 1]
    assert none == []


def changed(name: str, /, **changes: object) -> Callable[[Layers], Layers]:
    return lambda layers: {**layers, name: replace(layers[name], **changes)}  # type: ignore[arg-type]


def with_value(name: str, value: float) -> Callable[[Layers], Layers]:
    def change(layers: Layers) -> Layers:
        array = np.array(layers[name].data)
        array.reshape(-1)[1 if array.size > 1 else 0] = value
        return {**layers, name: replace(layers[name], data=array)}

    return change


NAMES = ("boxes", "scores", "classes", "masks", "num_detections")
MALFORMED = {
    **{f"no {name}": lambda layers, name=name: {k: v for k, v in layers.items() if k != name} for name in NAMES},
    **{f"{name} without a name": changed(name, name="") for name in NAMES},
    **{f"{name} without a buffer": changed(name, data=None, dims=(1,), dtype=0) for name in NAMES},
    **{f"{name} in half precision": changed(name, dtype=1) for name in NAMES},
    **{f"{name} of an unknown type": changed(name, dtype=99) for name in NAMES},
    **{f"{name} without dimensions": changed(name, dims=()) for name in NAMES},
    **{f"{name} of a size of 0": changed(name, dims=(0,)) for name in NAMES},
    **{f"{name} with the batch": changed(name, dims=(1, 3, 4, 4, 4)) for name in NAMES},
    **{f"{name} with more dimensions than there are": changed(name, dims=(1,) * 40, elements=1) for name in NAMES},
    **{f"{name} with a wrong number of elements": changed(name, elements=7) for name in NAMES},
    **{f"{name} with huge dimensions": changed(name, dims=(0xFFFFFFFF,) * 3) for name in NAMES},
    **{f"{value} in {name}": with_value(name, value) for name in NAMES[::3] for value in (np.nan, np.inf)},
    "nan in scores": with_value("scores", np.nan),
    "boxes of three": changed("boxes", dims=(3, 3)),
    "fewer scores": changed("scores", dims=(2,)),
    "more classes": changed("classes", dims=(4,)),
    "masks of another number": changed("masks", dims=(2, 4, 4)),
    "a negative class": with_value("classes", -1),
    "a negative count": with_value("num_detections", -1),
    "a count beyond the rows": with_value("num_detections", 4),
    "a huge count": with_value("num_detections", 2**31 - 1),
    "two counts": changed("num_detections", dims=(2,)),
}


def test_malformed_outputs_are_refused(parser: Path, tmp_path: Path) -> None:
    """All in one process: a refusal leaves nothing behind that harms the next frame."""
    good = make_layers(np.tile([0.1, 0.1, 0.5, 0.5], (3, 1)), np.ones((3, 4, 4)))
    frames = [frame_of(change(good)) for change in MALFORMED.values()]
    frames += [frame_of(good, width=0), frame_of(good, height=0), frame_of(good, thresholds=5), Frame([])]
    results, said = parse(parser, [*frames, frame_of(good)], tmp_path)
    accepted = [name for name, found in zip(MALFORMED, results, strict=False) if found is not None]
    assert accepted == []
    assert results[len(MALFORMED) : -1] == [None] * 4
    assert results[-1] is not None
    assert len(results[-1]) == 3
    lines = said.splitlines()
    assert len(lines) == len(frames)
    for line, name in zip(lines, MALFORMED, strict=False):
        assert line.startswith("NvDsInferParseYolact: output ")
        assert any(word in line for word in NAMES), name
        assert "export --input planar" in line


def test_padding_may_hold_anything(parser: Path, tmp_path: Path) -> None:
    """TensorRT leaves rows past the count as they were."""
    boxes, masks = np.full((3, 4), np.nan), np.full((3, 4, 4), np.nan)
    boxes[0], masks[0] = [0.1, 0.1, 0.5, 0.5], 1
    (found,), _ = parse(parser, [frame_of(make_layers(boxes, masks, np.array([1, np.nan, np.inf]), 1))], tmp_path)
    assert found is not None
    assert len(found) == 1
