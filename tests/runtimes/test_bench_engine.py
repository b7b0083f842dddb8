"""`bench` takes engines beside checkpoints and ONNX files, and shows their times on the GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.gpu_stand_in import FakeGpu
from yolact_deploy.artifacts.manifest import manifest_path
from yolact_deploy.benchmarks.bench import BenchOptions, run_bench
from yolact_deploy.benchmarks.performance.device_times import DEVICE_REGIONS
from yolact_deploy.benchmarks.performance.pipeline_stages import Timing
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.text import to_markdown
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions


@pytest.fixture
def engine(gpu: FakeGpu, nano_onnx: Path, tmp_path: Path) -> Path:
    """An engine for every image of the bundled data set."""
    return build_engine(nano_onnx, EngineOptions(tmp_path / "nano.engine")).path


def test_bench_measures_an_engine(engine: Path, nano_onnx: Path, nano_weights: Path) -> None:
    options = BenchOptions((engine, nano_onnx), reference=nano_weights, limit=4, iterations=3, warmup=1, threads=1)
    result = run_bench(options)
    assert result.passed
    by_name = {model.name: model for model in result.models}
    timing: Timing = by_name[engine.name].timing
    assert timing.stages is None
    assert timing.device is not None
    for name in DEVICE_REGIONS:
        latency = getattr(timing.device, name)
        assert latency.iterations == 3
        assert latency.p50 > 0
    assert timing.bytes_to_host is not None
    assert 0 < timing.bytes_to_host < 100 * 4 * 64 * 64  # fewer masks than there is room for
    assert by_name[nano_onnx.name].timing.device is None
    assert by_name[nano_onnx.name].timing.bytes_to_host is None
    text = to_markdown(result)
    assert "## On the GPU, median ms" in text
    assert "copy to host" in text
    assert "kB per image" in text
    assert to_json(result)["models"][0]["timing"].keys() >= {"device", "end_to_end"}


def test_without_engines_there_is_no_such_table(nano_onnx: Path, nano_weights: Path) -> None:
    result = run_bench(BenchOptions((nano_onnx,), reference=nano_weights, limit=2, iterations=1, warmup=0, threads=1))
    assert "On the GPU" not in to_markdown(result)


def test_an_engine_has_no_stages(engine: Path) -> None:
    """An engine is one piece: its network is not reported as if it had been run apart."""
    result = run_bench(BenchOptions((engine,), limit=2, iterations=1, warmup=0))
    assert result.models[0].timing.network is None


def test_an_engine_without_a_manifest_is_a_matter_of_trust(engine: Path) -> None:
    manifest_path(engine).unlink()
    options = BenchOptions((engine,), limit=2, iterations=1, warmup=0, config=ModelConfig.named("yolact_nano"))
    with pytest.raises(ModelFileError, match="pass --trust"):
        run_bench(options)
    result = run_bench(replace(options, trust=True))
    assert result.models[0].detections.per_image > 0
