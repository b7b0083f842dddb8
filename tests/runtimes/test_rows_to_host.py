"""Only the detections that were found are copied to the host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.gpu_stand_in import FakeGpu
from tests.tensorrt_stand_in import MAGIC
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.runtimes.tensorrt import TensorRTRuntime

ROOM, SIDE = 100, 138  # detections, px of a mask: as in the published models
COUNT_BYTES, SMALL_BYTES = 4, 4 * 4 + 4 + 4  # per image; per detection, without its mask
Open = Callable[..., TensorRTRuntime]


def rows(*shape: int, dtype: type = np.float32) -> np.ndarray:
    """[B,D,...] in which every value says its image and row: 1000 * image + row + 1."""
    batch, room = shape[:2]
    values = 1000 * np.arange(batch)[:, None] + np.arange(room) + 1
    return np.ascontiguousarray(np.broadcast_to(values.reshape(batch, room, *[1] * (len(shape) - 2)), shape), dtype)


@pytest.fixture
def opened(gpu: FakeGpu, tmp_path: Path) -> Open:
    """Opens an engine that gives these numbers of detections, whatever the images are."""

    def opened(*counts: int, masks: np.ndarray | None = None) -> TensorRTRuntime:
        batch = len(counts)
        outputs = {
            "boxes": rows(batch, ROOM, 4),
            "scores": rows(batch, ROOM),
            "classes": rows(batch, ROOM, dtype=np.int32),
            "masks": rows(batch, ROOM, SIDE, SIDE) if masks is None else masks,
            "num_detections": np.array(counts, np.int32),
        }
        path = tmp_path / "rows.engine"
        path.write_bytes(MAGIC + b'{"profile": {}}\n' + constant_model(batch, outputs).SerializeToString())
        return TensorRTRuntime(path, trust=True, config=ModelConfig.named("yolact_resnet50"))

    return opened


def constant_model(batch: int, outputs: dict[str, np.ndarray]) -> onnx.ModelProto:
    image = helper.make_tensor_value_info("image", onnx.TensorProto.UINT8, [batch, 32, 32, 3])
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in outputs.items()
    ]
    nodes = [helper.make_node("Identity", [f"{name}_value"], [name]) for name in outputs]
    values = [numpy_helper.from_array(value, f"{name}_value") for name, value in outputs.items()]
    graph = helper.make_graph(nodes, "constants", [image], described, values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def images(count: int) -> list[np.ndarray]:
    return [np.zeros((32, 32, 3), np.uint8)] * count


def test_three_detections_are_a_fraction_of_a_megabyte(opened: Open) -> None:
    runtime = opened(3)
    (found,) = runtime.detect(images(1))
    copied = runtime.stage_times().bytes_to_host
    assert copied == COUNT_BYTES + 3 * (SMALL_BYTES + 4 * SIDE * SIDE)
    assert copied < 0.3e6
    np.testing.assert_array_equal(found.scores, [1, 2, 3])
    np.testing.assert_array_equal(found.masks, rows(1, 3, SIDE, SIDE)[0])
    runtime.close()


def test_nothing_found_costs_its_count(opened: Open, gpu: FakeGpu) -> None:
    runtime = opened(0)
    (found,) = runtime.detect(images(1))
    assert len(found) == 0
    assert runtime.stage_times().bytes_to_host == COUNT_BYTES
    runtime.close()


def test_each_image_of_a_batch_has_its_rows(opened: Open) -> None:
    counts = (2, 0, ROOM)
    runtime = opened(*counts)
    for image, (found, count) in enumerate(zip(runtime.detect(images(3)), counts, strict=True)):
        np.testing.assert_array_equal(found.boxes, rows(3, ROOM, 4)[image, :count])
        np.testing.assert_array_equal(found.classes, rows(3, ROOM)[image, :count])
        np.testing.assert_array_equal(found.masks, rows(3, ROOM, SIDE, SIDE)[image, :count])
    assert runtime.stage_times().bytes_to_host == 3 * COUNT_BYTES + sum(counts) * (SMALL_BYTES + 4 * SIDE * SIDE)
    runtime.close()


def test_packed_masks(opened: Open) -> None:
    masks = rows(1, ROOM, 32, 1, dtype=np.int32)
    runtime = opened(2, masks=masks)
    (found,) = runtime.detect(images(1))
    np.testing.assert_array_equal(found.masks.words, masks[0, :2])  # type: ignore[union-attr]
    assert runtime.stage_times().bytes_to_host == COUNT_BYTES + 2 * (SMALL_BYTES + 4 * 32)
    runtime.close()


def test_run_gives_whole_outputs(opened: Open) -> None:
    """Without what an earlier call left in the memory."""
    runtime = opened(3)
    scores = runtime.run(np.stack(images(1)))["scores"]
    np.testing.assert_array_equal(scores, np.where(np.arange(ROOM) < 3, rows(1, ROOM), 0))
    runtime.close()


def test_two_waits_per_call(opened: Open, gpu: FakeGpu, binding: str) -> None:
    """One for the counts, one for all the rows."""
    runtime = opened(3)
    gpu.calls.clear()
    runtime.detect(images(1))
    assert gpu.calls.count("cudaStreamSynchronize" if binding == "cuda-python" else "synchronize") == 2
    runtime.close()


@pytest.mark.parametrize("count", [-1, ROOM + 1])
def test_counts_that_cannot_be(opened: Open, count: int) -> None:
    runtime = opened(count)
    with pytest.raises(YolactDeployError, match=rf"num_detections \[{count}\], with room for {ROOM}: rebuild it"):
        runtime.detect(images(1))
    runtime.close()


def test_out_of_memory_while_rows_are_copied(opened: Open, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = opened(3)
    copy = gpu.copy

    def copies_until_the_masks(target: int, source: int, nbytes: int, stream: int) -> None:
        if nbytes == 3 * 4 * SIDE * SIDE:
            raise MemoryError
        copy(target, source, nbytes, stream)

    monkeypatch.setattr(gpu, "copy", copies_until_the_masks)
    with pytest.raises(
        YolactDeployError, match=r"out of GPU memory: in \w+; close other programs, or use a sm"
    ) as error:
        runtime.detect(images(1))
    assert "\n" not in str(error.value)
    monkeypatch.undo()
    runtime.close()
