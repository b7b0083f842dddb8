"""TensorRT for RTX takes int8 files in TensorRT's layout, strongly typed, for two compute capabilities."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.export.precision.int8.conftest import calibrated
from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.artifacts.onnx_file import metadata_of
from yolact_deploy.artifacts.outputs import output_names
from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.builder import parse_network
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.export.precision.int8.convert import Int8Options, StatisticsSource, convert_int8
from yolact_deploy.export.precision.int8.file import Int8Request
from yolact_deploy.export.precision.int8.statistics import Statistics
from yolact_deploy.trt.library import load_tensorrt

pytest.importorskip("tensorrt_rtx_bindings", reason="needs TensorRT for RTX: the extra rtx")

pytestmark = pytest.mark.slow

RTX = {"runtime": "tensorrt-rtx", "compute_capabilities": ("8.6", "12.0")}
VARIANTS = {
    "int8": Int8Options("tensorrt"),
    "int8, conf and proto kept": Int8Options("tensorrt", kept=("conf", "proto")),
    "int8 and fp16": Int8Options("tensorrt", rest="fp16"),
    "yolact-edge": Int8Options("tensorrt", rest="fp16", recipe="yolact-edge"),
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("family", ["yolact", "yolact++", "dynamic batch"])
def test_builds(
    fp32: onnx.ModelProto,
    statistics: Statistics,
    plus_models: dict[str, onnx.ModelProto],
    nano_dynamic_onnx: Path,
    tmp_path: Path,
    name: str,
    family: str,
) -> None:
    model = {"yolact": fp32, "yolact++": plus_models["gridsample"]}.get(family) or onnx.load(nano_dynamic_onnx)
    seen = statistics if family == "yolact" else calibrated(model)
    source = tmp_path / "int8.onnx"
    onnx.save(convert_int8(model, seen, VARIANTS[name], "the model"), source)
    batch = (1, 2, 4) if family == "dynamic batch" else None
    result = build_engine(source, EngineOptions(tmp_path / "int8.engine", batch=batch, optimization_level=0, **RTX))  # type: ignore[arg-type]
    assert result.path.stat().st_size == result.size_bytes > 0
    assert result.manifest.metadata.precision == "int8"


def test_cpu_layout_is_refused_by_us_because_the_parser_refuses_it(
    fp32: onnx.ModelProto, statistics: Statistics, tmp_path: Path
) -> None:
    model = convert_int8(fp32, statistics, Int8Options("cpu"), "nano")
    source = tmp_path / "cpu.onnx"
    onnx.save(model, source)
    with pytest.raises(ModelFileError, match=r"quantised for a CPU.*--layout tensorrt"):
        build_engine(source, EngineOptions(tmp_path / "cpu.engine", **RTX))  # type: ignore[arg-type]
    names = output_names(metadata_of(model, "nano").config)
    with pytest.raises(ModelFileError, match="cannot parse"):
        parse_network(load_tensorrt("tensorrt-rtx"), model.SerializeToString(), source, names)


def test_manifest_names_calibration_layout_and_kept_stages(
    nano_onnx: Path, statistics: Statistics, tmp_path: Path
) -> None:
    saved = tmp_path / "statistics.json"
    statistics.write(saved)
    request = Int8Request(Int8Options("tensorrt", rest="fp16", kept=("conf",)), StatisticsSource(None, saved))
    options = EngineOptions(tmp_path / "a.engine", precision="int8", int8=request, optimization_level=0, **RTX)  # type: ignore[arg-type]
    built = build_engine(nano_onnx, options).manifest
    assert built == Manifest.read(tmp_path / "a.engine")
    quantization = built.metadata.quantization
    assert quantization is not None
    assert (quantization.layout, quantization.pictures, quantization.source) == ("tensorrt", 8, "nano")
    assert (quantization.rest, quantization.kept) == ("fp16", ("conf",))
    for part in ("--precision int8", "--fp16", "--keep conf", "--statistics statistics.json"):
        assert part in built.command
