"""Engines built with the real TensorRT for RTX, which needs no GPU for that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch

from tests.conftest import ROOT, seeded_state_dict
from yolact_deploy.artifacts.manifest import Manifest
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import ModelFileError, YolactDeployError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.builder import input_range, output_ranges, parse_network
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.export.graph.torch_to_onnx import ExportOptions, export_onnx
from yolact_deploy.files import sha256_of
from yolact_deploy.predictor import Predictor
from yolact_deploy.trt.library import load_tensorrt
from yolact_deploy.types import ImageSize

pytest.importorskip("tensorrt_rtx_bindings", reason='needs TensorRT for RTX: pip install "yolact-deploy[rtx]"')

pytestmark = pytest.mark.slow

MOST_BYTES = 3 << 30  # 3 GiB
CAPABILITIES = ("8.6", "12.0")
# Its own process, so that its memory is its own.
BUILD = """
import json, sys
from pathlib import Path
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions

source, output, precision, batch = sys.argv[1:]
options = EngineOptions(
    Path(output), runtime="tensorrt-rtx", precision=precision, batch=json.loads(batch) and tuple(json.loads(batch)),
    compute_capabilities=("8.6", "12.0"),
)
build_engine(Path(source), options)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024)
"""


@pytest.fixture(scope="module")
def resnet50_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`yolact_resnet50` with made-up weights, dynamic batch."""
    folder = tmp_path_factory.mktemp("resnet50")
    weights = folder / "yolact_resnet50_1_10.pth"
    torch.save(seeded_state_dict(ModelConfig.named("yolact_resnet50")), weights)
    return export_onnx(weights, ExportOptions(folder / "resnet50.onnx", batch=None)).path


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(
    ("model", "batch"),
    [
        ("nano_onnx", None),
        ("nano_dynamic_onnx", (1, 2, 4)),
        pytest.param("resnet50_onnx", (1, 1, 2), marks=pytest.mark.slow),
    ],
)
def test_memory(
    model: str,
    batch: tuple[int, int, int] | None,
    precision: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    source: Path = request.getfixturevalue(model)
    output = tmp_path / "model.engine"
    arguments = [source, output, precision, json.dumps(batch)]
    done = subprocess.run([sys.executable, "-c", BUILD, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MOST_BYTES
    manifest = Manifest.read(output)
    manifest.check_file(output)
    assert manifest.onnx.sha256 == sha256_of(source)
    assert manifest.metadata.precision == precision
    assert manifest.compute_capabilities == CAPABILITIES
    low, high = (batch[0], batch[2]) if batch else (1, 1)
    (image,) = manifest.inputs
    assert (image.min, image.max, image.dtype) == ((low, 32, 32, 3), (high, 1920, 1920, 3), "uint8")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_network_that_the_parser_made(nano_dynamic_onnx: Path, tmp_path: Path, precision: str) -> None:
    from yolact_deploy.export.precision.convert import convert_precision

    model = onnx.load(nano_dynamic_onnx)
    if precision != "fp32":
        model = convert_precision(model, precision)
    parsed = parse_network(load_tensorrt("tensorrt-rtx"), model.SerializeToString(), "nano")
    options = EngineOptions(tmp_path / "x.engine", min_size=ImageSize(64, 48), batch=(1, 2, 4))
    image = input_range(parsed, options)
    assert (image.name, image.dtype) == ("image", "uint8")
    assert (image.min, image.opt, image.max) == ((1, 48, 64, 3), (2, 480, 640, 3), (4, 1920, 1920, 3))
    outputs = {tensor.name: (tensor.dtype, tensor.max) for tensor in output_ranges(parsed, image)}
    assert outputs == {
        "boxes": ("float32", (4, 100, 4)),
        "scores": ("float32", (4, 100)),
        "classes": ("int32", (4, 100)),
        "masks": ("float32", (4, 100, 64, 64)),
        "num_detections": ("int32", (4,)),
    }


@pytest.mark.parametrize(("kind", "name"), [("tensor", "network_input"), ("planar", "planes")])
def test_a_network_input(nano_weights: Path, tmp_path: Path, kind: str, name: str) -> None:
    exported = export_onnx(nano_weights, ExportOptions(tmp_path / "tensor.onnx", input_kind=kind))
    result = build_engine(exported.path, EngineOptions(tmp_path / "tensor.engine", tf32=True))
    (tensor,) = result.manifest.inputs
    assert (tensor.name, tensor.dtype, tensor.is_fixed) == (name, "float32", True)
    assert result.manifest.metadata.input_kind == kind
    assert "--tf32" in result.manifest.command


def test_a_half_precision_file_is_built_as_it_is(nano_onnx: Path, tmp_path: Path) -> None:
    from yolact_deploy.export.precision.convert import convert_file

    half = convert_file(nano_onnx, tmp_path / "half.onnx", "fp16").path
    result = build_engine(half, EngineOptions(tmp_path / "half.engine"))
    assert result.manifest.metadata.precision == "fp16"
    for precision in ("fp32", "fp16", "bf16"):
        with pytest.raises(ModelFileError, match=f"is already fp16: build it without --{precision}"):
            build_engine(half, EngineOptions(tmp_path / "no.engine", precision=precision))
    with pytest.raises(ModelFileError, match="--tf32 is about fp32"):
        build_engine(half, EngineOptions(tmp_path / "no.engine", tf32=True))
    assert not (tmp_path / "no.engine").exists()


def test_bf16_and_every_option_that_rtx_has(nano_onnx: Path, tmp_path: Path) -> None:
    options = EngineOptions(
        tmp_path / "model.plan",
        runtime="tensorrt-rtx",
        precision="bf16",
        opt_size=ImageSize(1280, 720),
        workspace_bytes=1 << 30,
        optimization_level=2,
        plugins="none",
        compute_capabilities=("8.9",),
    )
    manifest = build_engine(nano_onnx, options).manifest
    assert manifest.metadata.precision == "bf16"
    assert manifest.options["workspace_bytes"] == 1 << 30
    assert manifest.command == (
        f"yolact-deploy build-engine {nano_onnx.name} -o model.plan --runtime tensorrt-rtx --precision bf16 "
        "--opt 1280x720 --workspace 1073741824 --optimization-level 2 --compute-capability 8.9 --force"
    )


@pytest.fixture(scope="module")
def rtx_engine(nano_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_engine(nano_onnx, EngineOptions(tmp_path_factory.mktemp("rtx") / "nano.engine")).path


@pytest.fixture
def edited(rtx_engine: Path, tmp_path: Path) -> tuple[Path, dict[str, object]]:
    """A copy of a real engine, and the values of its manifest to edit."""
    copy = tmp_path / "copy.engine"
    copy.write_bytes(rtx_engine.read_bytes())
    return copy, json.loads((rtx_engine.parent / "nano.engine.json").read_text())


def write(engine: Path, values: dict[str, object]) -> None:
    (engine.parent / f"{engine.name}.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", "1.6.0.1", r"was built with TensorRT for RTX 1\.6\.0\.1; here is TensorRT for RTX 1\.\d+"),
        ("runtime", "tensorrt", "was built with TensorRT 1.*TensorRT is not installed: pip install tensorrt"),
    ],
)
def test_another_library(edited: tuple[Path, dict[str, object]], key: str, value: str, message: str) -> None:
    engine, values = edited
    values["built_on"][key] = value  # type: ignore[index]
    write(engine, values)
    with pytest.raises(YolactDeployError, match=message):
        Predictor.open(engine)


def test_a_changed_or_truncated_engine(edited: tuple[Path, dict[str, object]]) -> None:
    engine, values = edited
    write(engine, values)
    data = engine.read_bytes()
    for changed in (data[:-1], data[:1000], b"", data[:-1] + bytes([data[-1] ^ 1])):
        engine.write_bytes(changed)
        with pytest.raises(ModelFileError, match=r"another file than .*rebuild it with `yolact-deploy build-engine"):
            Predictor.open(engine)
