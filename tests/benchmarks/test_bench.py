"""The whole benchmark on the bundled set, and what is refused before it starts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.benchmarks.conftest import MakeFolder
from tests.conftest import NANO, NANO_WEIGHTS
from yolact_deploy.benchmarks import assessment
from yolact_deploy.benchmarks.accuracy.dataset import load_dataset
from yolact_deploy.benchmarks.bench import run_bench
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.performance import speed
from yolact_deploy.benchmarks.performance.speed import timing_images
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.selection import choose_models
from yolact_deploy.config.postprocess import PostprocessConfig
from yolact_deploy.errors import DataError, ModelFileError, YolactDeployError
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx

QUICK = BenchOptions(models=(), limit=4, threads=1, device="cpu", iterations=1, warmup=0)


@pytest.fixture(scope="module")
def report(nano_onnx: Path) -> BenchReport:
    """Checkpoint and exported file."""
    return run_bench(replace(QUICK, models=(nano_onnx, NANO_WEIGHTS), limit=8, seed=5))


@pytest.fixture(scope="module")
def blind_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export that never finds anything."""
    output = tmp_path_factory.mktemp("blind") / "blind.onnx"
    return export_onnx(NANO_WEIGHTS, ExportOptions(output, postprocess=PostprocessConfig(score_threshold=1.0))).path


def test_every_model_is_measured(report: BenchReport, nano_onnx: Path) -> None:
    exported, reference = report.models
    assert (exported.path, reference.path) == (nano_onnx, NANO_WEIGHTS)
    assert report.reference == NANO_WEIGHTS.name
    assert (exported.is_reference, reference.is_reference) == (False, True)
    assert report.data == "nano: 8 of 64 images (seed 5), 6 categories, " + report.data.rpartition(", ")[2]
    for model in report.models:
        assert 0.3 < model.accuracy.mask.ap < 0.9
        assert model.detections.images == 8
        assert model.detections.per_image == model.detections.total / 8 > 5
        assert model.timing.end_to_end.iterations == 1
        assert model.timing.stages is not None
        assert model.memory is not None
        assert (model.precision, model.input_kind, model.config_name) == ("fp32", "image", "yolact_nano")
    assert exported.memory is not None
    assert not exported.memory.imports_torch


def test_an_exported_file_equals_its_checkpoint(report: BenchReport) -> None:
    exported, reference = report.models
    assert reference.parity is None
    assert exported.parity is not None
    assert exported.verdict is not None
    assert exported.parity.matches.rate == 1.0
    assert exported.parity.matches.mean_mask_iou == pytest.approx(1.0, abs=1e-3)
    assert exported.verdict.passed
    assert report.passed


def test_the_whole_set_matches_in_onnx_runtime(nano_onnx: Path) -> None:
    everything = replace(QUICK, models=(nano_onnx,), reference=NANO_WEIGHTS, limit=None)
    exported = run_bench(everything).models[1]
    assert exported.parity is not None
    assert exported.parity.matches.rate >= 0.995
    assert exported.parity.box_difference == pytest.approx(0, abs=0.05)
    assert exported.parity.mask_difference == pytest.approx(0, abs=0.05)


def test_a_model_that_finds_nothing_fails(blind_onnx: Path) -> None:
    report = run_bench(replace(QUICK, models=(blind_onnx,), reference=NANO_WEIGHTS))
    blind = report.models[1]
    assert blind.detects_nothing
    assert blind.accuracy.box.ap == 0.0
    assert blind.detections.images_without == 4
    assert not report.passed
    assert blind.verdict is not None
    assert len(blind.verdict.failures) == 3


def test_the_gate_can_be_widened(blind_onnx: Path) -> None:
    wide = replace(QUICK, models=(blind_onnx,), reference=NANO_WEIGHTS, max_ap_difference=100.0, min_match_rate=0.0)
    assert run_bench(wide).passed


def test_changed_weights_are_noticed(nano_onnx: Path, tmp_path: Path) -> None:
    model = onnx.load(nano_onnx)
    for tensor in model.graph.initializer:
        if "fpn" in tensor.name and tensor.name.endswith("weight"):
            values = onnx.numpy_helper.to_array(tensor)
            noise = np.random.default_rng(0).normal(0, 0.1 * values.std(), values.shape)
            tensor.CopyFrom(onnx.numpy_helper.from_array((values + noise).astype(np.float32), tensor.name))
    onnx.save(model, tmp_path / "noisy.onnx")
    report = run_bench(replace(QUICK, models=(tmp_path / "noisy.onnx",), reference=NANO_WEIGHTS))
    assert not report.passed


def test_without_a_reference_there_is_no_verdict(nano_onnx: Path) -> None:
    report = run_bench(replace(QUICK, models=(nano_onnx,)))
    assert report.reference is None
    assert report.models[0].verdict is None
    assert report.passed
    assert report.parity == "not judged"


def test_data_of_one_s_own_with_one_category(make_folder: MakeFolder, nano_onnx: Path) -> None:
    content = {
        "images": [{"id": 5, "file_name": "a.png", "height": 60, "width": 80}],
        "categories": [{"id": 40, "name": "ring"}],
        "annotations": [],
    }
    report = run_bench(replace(QUICK, models=(nano_onnx,), data=make_folder(content), limit=None))
    (model,) = report.models
    assert model.notes[0].startswith("5 of the model's 6 classes are not in the data set and not evaluated: disk")
    assert model.accuracy.box.ap == -1


def test_a_category_without_objects_changes_nothing_but_a_note(report: BenchReport, tmp_path: Path) -> None:
    content = json.loads((NANO / "instances.json").read_text())
    content["categories"].insert(0, {"id": 0, "name": "shapes", "supercategory": "none"})
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (tmp_path / "images").symlink_to(NANO / "images")
    (model,) = run_bench(replace(QUICK, models=(NANO_WEIGHTS,), data=tmp_path, limit=8, seed=5)).models
    assert model.accuracy == report.models[1].accuracy
    assert any("left out: shapes" in note for note in model.notes)


@pytest.mark.parametrize("kind", ["no annotation", "all crowd", "nothing detected"])
def test_a_gate_with_nothing_to_compare_is_not_judged(
    kind: str, nano_onnx: Path, blind_onnx: Path, tmp_path: Path
) -> None:
    content = json.loads((NANO / "instances.json").read_text())
    if kind != "nothing detected":
        content["annotations"] = [{**item, "iscrowd": 1} for item in content["annotations"] if kind == "all crowd"]
    (tmp_path / "instances.json").write_text(json.dumps(content))
    (tmp_path / "images").symlink_to(NANO / "images")
    models = [nano_onnx, NANO_WEIGHTS]
    if kind == "nothing detected":
        models = [blind_onnx, Path(shutil.copy(blind_onnx, tmp_path / "reference.onnx"))]
    report = run_bench(replace(QUICK, models=(models[0],), reference=models[1], data=tmp_path))
    assert not report.passed
    assert report.parity == "not judged"
    (verdict,) = (model.verdict for model in report.models if model.verdict is not None)
    assert verdict.not_judged


def test_progress_is_said(nano_onnx: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    run_bench(replace(QUICK, models=(nano_onnx,), limit=2), lambda *step: steps.append(step))
    assert ("nano.onnx: accuracy", 1, 2) in steps
    finished = [what for what, done, total in steps if done == total]
    assert finished[0] == "nano.onnx: accuracy"
    assert finished[1:3] == ["nano.onnx: AP and errors", "nano.onnx: end to end"]
    assert finished[-1] == "nano.onnx: memory"


# ---- which models


def test_the_reference_comes_first_unless_it_is_listed(nano_onnx: Path) -> None:
    options = replace(QUICK, models=(nano_onnx,), reference=NANO_WEIGHTS)
    assert choose_models(options) == ([NANO_WEIGHTS, nano_onnx], NANO_WEIGHTS)
    listed = replace(options, models=(nano_onnx, NANO_WEIGHTS))
    assert choose_models(listed) == ([nano_onnx, NANO_WEIGHTS], NANO_WEIGHTS)


def test_a_file_named_twice_is_measured_once(nano_onnx: Path) -> None:
    detour = NANO_WEIGHTS.parent / ".." / "nano" / NANO_WEIGHTS.name
    options = replace(QUICK, models=(NANO_WEIGHTS, nano_onnx, nano_onnx), reference=detour)
    assert choose_models(options) == ([NANO_WEIGHTS, nano_onnx], NANO_WEIGHTS)


def test_a_single_checkpoint_is_the_reference_two_are_not(tmp_path: Path, nano_onnx: Path) -> None:
    other = tmp_path / "yolact_nano_0_0.pth"
    shutil.copy(NANO_WEIGHTS, other)
    assert choose_models(replace(QUICK, models=(nano_onnx, other)))[1] == other
    assert choose_models(replace(QUICK, models=(nano_onnx, other, NANO_WEIGHTS)))[1] is None
    assert choose_models(replace(QUICK, models=(nano_onnx,)))[1] is None


def test_models_with_equal_names_are_told_apart_by_path(tmp_path: Path, nano_onnx: Path) -> None:
    other = tmp_path / nano_onnx.name
    shutil.copy(nano_onnx, other)
    report = run_bench(replace(QUICK, models=(nano_onnx, other), limit=1))
    assert [model.name for model in report.models] == [str(nano_onnx), str(other)]


# ---- refused


def test_no_model_at_all() -> None:
    with pytest.raises(YolactDeployError, match="no model to measure: name a checkpoint or an exported file, such as"):
        run_bench(QUICK)


def test_bad_input_is_refused_before_anything_is_measured(
    tmp_path: Path, nano_onnx: Path, make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assessment, "run_images", lambda *arguments: pytest.fail("it has begun"))
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(nano_onnx.read_bytes()[:1000])
    for options, error, message in (
        (replace(QUICK, models=(nano_onnx, tmp_path / "none.onnx")), ModelFileError, "no such file: .*none"),
        (replace(QUICK, models=(nano_onnx, damaged)), ModelFileError, "damaged"),
        (replace(QUICK, models=(nano_onnx,), data=tmp_path / "nowhere"), DataError, "no such data folder"),
        (
            replace(QUICK, models=(nano_onnx,), data=make_folder()),
            DataError,
            r"none of the data set's categories \(dog, cat\)",
        ),
        (replace(QUICK, models=(nano_onnx,), iterations=0), YolactDeployError, "iterations 0"),
        (replace(QUICK, models=(nano_onnx,), max_ap_difference=-1.0), YolactDeployError, "AP tolerance -1"),
    ):
        with pytest.raises(error, match=message):
            run_bench(options)


def test_models_of_other_class_counts_are_refused(tmp_path: Path, nano_onnx: Path) -> None:
    import torch

    from yolact_deploy.config.model import ModelConfig
    from yolact_deploy.models.yolact import Yolact

    other = tmp_path / "yolact_nano_1_1.pth"
    torch.save(Yolact(ModelConfig.named("yolact_nano").with_num_classes(3)).state_dict(), other)
    message = r"models of different class counts cannot be compared: yolact_nano_1_1\.pth has 3, nano\.onnx has 6"
    with pytest.raises(ModelFileError, match=message):
        run_bench(replace(QUICK, models=(nano_onnx,), reference=other))


# ---- names of classes


@pytest.fixture(scope="module")
def numbered_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with its class names forgotten."""
    names = tuple(f"class {index}" for index in range(6))
    return export_onnx(
        NANO_WEIGHTS, ExportOptions(tmp_path_factory.mktemp("numbered") / "numbered.onnx", class_names=names)
    ).path


def test_numbered_classes_go_by_category_id(numbered_onnx: Path) -> None:
    (model,) = run_bench(replace(QUICK, models=(numbered_onnx,), limit=2)).models
    assert "in the order of ids (disk, square" in model.notes[0]


def test_names_come_from_the_other_model_or_from_the_options(numbered_onnx: Path) -> None:
    for options in (
        replace(QUICK, models=(numbered_onnx,), limit=2, reference=NANO_WEIGHTS),
        replace(
            QUICK, models=(numbered_onnx,), limit=2, class_names=("disk", "square", "triangle", "star", "ring", "cross")
        ),
    ):
        assert all(model.notes == () for model in run_bench(options).models)


# ---- images and memory


def test_images_to_time_are_spread_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    images = load_dataset(NANO).images
    monkeypatch.setattr(speed, "TIMING_IMAGES", 10)
    assert len(timing_images(images)) == 10
    np.testing.assert_array_equal(timing_images(images)[1], images[7].read())
    monkeypatch.setattr(speed, "TIMING_BYTES", 1)
    assert len(timing_images(images)) == 1


def test_memory_that_cannot_be_measured_is_a_note(nano_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise YolactDeployError("measuring the memory failed: killed")

    monkeypatch.setattr(speed, "measure_peak_memory", fail)
    (model,) = run_bench(replace(QUICK, models=(nano_onnx,), limit=1)).models
    assert model.memory is None
    assert model.notes == ("measuring the memory failed: killed",)
