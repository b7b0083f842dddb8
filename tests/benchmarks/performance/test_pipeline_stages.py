"""A graph in parts does what it does in one piece; and what is called how often while it is timed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.conftest import NANO_WEIGHTS
from yolact_deploy.benchmarks.performance import pipeline_stages
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES, OnnxStages, RuntimeStages, open_stages
from yolact_deploy.benchmarks.performance.split import split_graph
from yolact_deploy.benchmarks.performance.timed_model import TimedModel, time_in_turns
from yolact_deploy.benchmarks.performance.timing import Schedule
from yolact_deploy.errors import ModelFileError, YolactDeployError
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.predictor import Predictor
from yolact_deploy.types import Image, NetworkDetections, PackedMasks

ONCE = Schedule(iterations=2, warmup=1)


@pytest.fixture(scope="module")
def nano_tensor_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint exported with a bare network input."""
    output = tmp_path_factory.mktemp("nano") / "tensor.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, input_kind="tensor")).path


@pytest.fixture(scope="module")
def nano_batch_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint exported for three images per call."""
    output = tmp_path_factory.mktemp("nano") / "batch.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, batch=4)).path


def time_model(
    predictor: Predictor, path: Path, images: list[Image], schedule: Schedule, **options: Any
) -> pipeline_stages.Timing:
    """One model, as the benchmark times several."""
    (timing,) = time_in_turns([TimedModel(predictor, path, images, **options)], schedule)
    return timing


def assert_same(actual: NetworkDetections, expected: NetworkDetections) -> None:
    np.testing.assert_array_equal(actual.classes, expected.classes)
    for name in ("boxes", "scores", "masks", "mask_scores"):
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), rtol=0, atol=1e-5)


def test_stages_of_masks_at_the_images_size(nano_image_masks_onnx: Path, nano_image: Image) -> None:
    """Their post-processing takes the image's size past the network."""
    images = [nano_image, np.ascontiguousarray(nano_image[:, ::-1])]
    with Predictor.open(nano_image_masks_onnx, threads=1) as predictor:
        staged = open_stages(predictor, nano_image_masks_onnx, "auto", 1)
        found = staged.postprocess(staged.network(staged.preprocess(np.stack(images))))
        for actual, expected in zip(found, predictor.runtime.detect(images), strict=True):
            assert isinstance(actual.masks, PackedMasks)
            assert isinstance(expected.masks, PackedMasks)
            np.testing.assert_array_equal(actual.masks.words, expected.masks.words)
            np.testing.assert_array_equal(actual.classes, expected.classes)
        timing = time_model(predictor, nano_image_masks_onnx, images, ONCE)
    assert timing.stages is not None, timing.stages_note


@pytest.mark.parametrize(
    "kind", ["nano_weights", "nano_onnx", "nano_dynamic_onnx", "nano_tensor_onnx", "nano_planar_onnx"]
)
def test_stages_in_a_row_equal_the_whole(kind: str, request: pytest.FixtureRequest, nano_image: Image) -> None:
    path = request.getfixturevalue(kind)
    with Predictor.open(path, threads=1) as predictor:
        staged = open_stages(predictor, path, "auto", 1)
        assert isinstance(staged, RuntimeStages if kind == "nano_weights" else OnnxStages)
        (found,) = staged.postprocess(staged.network(staged.preprocess(nano_image[None])))
        (expected,) = predictor.runtime.detect([nano_image])
    assert len(found) == 36
    assert_same(found, expected)


def test_every_part_is_timed(nano_onnx: Path, nano_image: Image) -> None:
    steps: list[tuple[str, int, int]] = []
    with Predictor.open(nano_onnx, threads=1) as predictor:
        timing = time_model(predictor, nano_onnx, [nano_image], ONCE, progress=lambda *step: steps.append(step))
    assert timing.stages is not None
    assert tuple(timing.stages) == STAGES
    assert timing.network is timing.stages["network"]
    finished = dict.fromkeys(what for what, done, total in steps if done == total)  # a slow machine says it twice
    assert list(finished) == ["end to end", *STAGES]
    assert timing.images_per_call == 1
    assert "run separately" in timing.stages_note


def test_images_are_cycled_through(nano_onnx: Path, nano_image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    images = [nano_image, nano_image[:200], nano_image[:100]]
    with Predictor.open(nano_onnx, threads=1) as predictor:
        whole = predictor.batch
        monkeypatch.setattr(predictor, "batch", lambda items: seen.append(items[0].shape) or whole(items))
        time_model(predictor, nano_onnx, images, Schedule(iterations=4, warmup=0))
    assert seen == [image.shape for image in (*images, nano_image)]


def test_a_fixed_batch_is_given_whole_batches(nano_batch_onnx: Path, nano_image: Image) -> None:
    with Predictor.open(nano_batch_onnx, threads=1) as predictor:
        timing = time_model(predictor, nano_batch_onnx, [nano_image], ONCE)
        staged = open_stages(predictor, nano_batch_onnx, "auto", 1)
        found = staged.postprocess(staged.network(staged.preprocess(np.stack([nano_image] * 4))))
    assert timing.images_per_call == 4
    assert timing.stages is not None
    assert [len(item) for item in found] == [36] * 4


def test_stages_know_of_failures(nano_onnx: Path) -> None:
    with Predictor.open(nano_onnx, threads=1) as predictor:
        staged = open_stages(predictor, nano_onnx, "cpu", 1)
    with pytest.raises(YolactDeployError, match=r"nano\.onnx: a stage failed in ONNX Runtime: .*[Ii]nvalid"):
        staged.network(({"network_input": np.zeros((1, 3, 5, 5), np.float32)}, (5, 5)))


def test_a_model_in_one_piece_is_timed_end_to_end_only(
    nano_onnx: Path, nano_image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise ModelFileError("it has no joints")

    monkeypatch.setattr(pipeline_stages, "OnnxStages", refuse)
    with Predictor.open(nano_onnx, threads=1) as predictor:
        timing = time_model(predictor, nano_onnx, [nano_image], ONCE)
        assert timing.stages is None
        assert timing.network is None
        assert timing.stages_note == "stages were not measured: it has no joints"
        with pytest.raises(YolactDeployError, match="runs as one piece"):
            open_stages(predictor, Path("model.engine"), "auto", None)


# ---- cutting


def test_parts_hold_only_their_own_weights_and_functions(nano_onnx: Path) -> None:
    parts = split_graph(nano_onnx)
    assert parts.preprocess is not None
    preprocess, network, postprocess = (
        onnx.load_from_string(part) for part in (parts.preprocess, parts.network, parts.postprocess)
    )
    assert [value.name for value in network.graph.input] == ["network_input"]
    assert [value.name for value in network.graph.output] == ["loc", "conf", "coef", "proto"]
    assert not network.functions
    assert not preprocess.functions
    assert {function.name for function in postprocess.functions} >= {"YolactFastNMS", "YolactMaskAssembly"}
    assert [tensor.name for tensor in postprocess.graph.initializer] == ["priors"]
    whole = onnx.load(nano_onnx)
    nodes = [part.graph.node for part in (preprocess, network, postprocess)]
    assert sum(map(len, nodes)) == len(whole.graph.node)


def test_a_bare_network_input_needs_no_preprocessing_part(nano_tensor_onnx: Path) -> None:
    assert split_graph(nano_tensor_onnx).preprocess is None


def test_a_graph_without_the_tensors_to_cut_at_is_refused(nano_onnx: Path, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    kept = [value for value in model.graph.value_info if value.name not in ("loc", "coef")]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(ModelFileError, match=r"foreign\.onnx cannot be cut .*: missing tensors: loc, coef"):
        split_graph(tmp_path / "foreign.onnx")


def test_a_damaged_file_is_refused(tmp_path: Path, nano_onnx: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(nano_onnx.read_bytes()[:5000])
    with pytest.raises(ModelFileError, match=r"cut\.onnx: cannot read it"):
        split_graph(path)
