"""int8 on the command line: what it says, and wrong input, one line each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from tests.conftest import NANO
from tests.running import Captured, fails, succeeds
from yolact_deploy import cli, machine
from yolact_deploy.commands import int8_options


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures; statistics of them; int8 files in both layouts."""
    folder = tmp_path_factory.mktemp("int8")
    (folder / "pictures").mkdir()
    for path in sorted((NANO / "images").glob("*.jpg"))[:8]:
        shutil.copy(path, folder / "pictures")
    (folder / "empty").mkdir()
    return folder


@pytest.fixture
def convert(nano_onnx: Path, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs convert-precision --int8 and returns what it says."""
    monkeypatch.setattr(int8_options, "gpu_from_driver", lambda: None)
    return lambda output, *given: succeeds(
        capsys, "convert-precision", nano_onnx, "--int8", "-o", folder / output, *given
    )


def test_conversion_says_what_was_done(convert: Callable[..., str], folder: Path, capsys: Captured) -> None:
    said = convert("cpu.onnx", "--calibration", folder / "pictures", "--statistics", folder / "s.json")
    assert "62 of 62 convolutions in int8; cpu layout, minmax on 8 pictures of pictures" in said
    again = convert("trt.onnx", "--statistics", folder / "s.json", "--fp16", "--keep", "conf,loc")
    assert "tensorrt layout, minmax on 8 pictures of pictures, kept in fp16: loc, conf" in again
    told = succeeds(capsys, "inspect", folder / "trt.onnx")
    assert "kept in fp16: loc, conf" in " ".join(told.split())
    assert "precision" in told
    message = fails(capsys, "build-engine", folder / "cpu.onnx", "-o", folder / "a.engine", "--runtime", "tensorrt-rtx")
    assert "was quantised for a CPU" in message
    assert "convert-precision" in message
    assert not (folder / "a.engine").exists()
    message = fails(capsys, "convert-precision", folder / "cpu.onnx", "--fp16", "-o", folder / "b.onnx")
    assert "is already int8" in message


def test_int8_is_found_by_the_nodes(
    nano_onnx: Path, folder: Path, convert: Callable[..., str], capsys: Captured
) -> None:
    """A file whose label lies."""
    convert("true.onnx", "--calibration", folder / "pictures")
    model = onnx.load(folder / "true.onnx")
    for entry in model.metadata_props:
        if entry.key == "yolact_deploy.precision":
            entry.value = "fp32"
    onnx.save(model, folder / "lie.onnx")
    capsys.readouterr()
    for given in (["--fp16"], ["--int8", "--calibration", str(folder / "pictures")]):
        assert cli.run(["convert-precision", str(folder / "lie.onnx"), *given, "-o", str(folder / "x.onnx")]) == 2
        assert "is already int8" in capsys.readouterr().err


WRONG = [
    ((), "int8 needs pictures"),
    (("--calibration", "{folder}/empty"), "holds 0 pictures"),
    (("--calibration", "{folder}/missing"), "no such folder"),
    (("--calibration", "{folder}/pictures", "--images", "1"), "at least 8 pictures"),
    (("--images", "20"), "--images is about --calibration"),
    (("--calibration", "{folder}/pictures", "--method", "best"), "unknown calibration method 'best'"),
    (("--calibration", "{folder}/pictures", "--layout", "gpu"), "--layout gpu: use cpu or tensorrt"),
    (("--calibration", "{folder}/pictures", "--layout", "cpu", "--fp16"), "int8 with fp16 is for TensorRT"),
    (("--calibration", "{folder}/pictures", "--bf16"), "--int8 goes with --fp16 or alone"),
    (("--calibration", "{folder}/pictures", "--keep", "C9"), "unknown stage 'C9': use C3, C4"),
    (("--calibration", "{folder}/pictures", "--recipe", "fast"), "unknown recipe 'fast': use yolact-edge"),
    (("--calibration", "{folder}/pictures", "--max-ap-loss", "1"), "--max-ap-loss and --data go together"),
    (("--statistics", "{folder}/none.json"), "cannot read"),
    (("--statistics", "{model}"), "holds no calibration statistics"),
    (
        ("--calibration", "{folder}/pictures", "--keep", "C3,C4,C5,P3,P4,P5,P6,P7,proto,loc,conf,coef"),
        "nothing is left for int8",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_input(nano_onnx: Path, folder: Path, capsys: Captured, arguments: tuple[str, ...], message: str) -> None:
    filled = [text.format(folder=folder, model=nano_onnx) for text in arguments]
    output = folder / "none.onnx"
    assert message in fails(capsys, "convert-precision", nano_onnx, "--int8", "-o", output, *filled)
    assert not output.exists()


@pytest.mark.parametrize(
    ("command", "option"), [("convert-precision", "--statistics"), ("build-engine", "--calibration")]
)
def test_options_of_int8_alone(nano_onnx: Path, folder: Path, capsys: Captured, command: str, option: str) -> None:
    arguments = ("--fp16", option, folder / "pictures", "-o", folder / "none.engine")
    assert f"{option} is about int8" in fails(capsys, command, nano_onnx, *arguments)


def test_half_precision_says_what_overflows(nano_onnx: Path, folder: Path, capsys: Captured, tmp_path: Path) -> None:
    """A network whose first layer is 8000 times as large: its weights still fit, its result does not."""
    arguments = ("--fp16", "--calibration", folder / "pictures", "--force", "-o", tmp_path / "half.onnx")
    assert "no tensor of the network leaves the range of fp16 on 8 pictures" in succeeds(
        capsys, "convert-precision", nano_onnx, *arguments
    )
    model = onnx.load(nano_onnx)
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    for tensor in model.graph.initializer:
        if tensor.name in first.input[1:]:
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 8000, tensor.name))
    onnx.save(model, tmp_path / "large.onnx")
    assert cli.run(["convert-precision", str(tmp_path / "large.onnx"), *map(str, arguments)]) == 0
    assert f"tensor {first.output[0]} reaches" in capsys.readouterr().err


def test_statistics_are_not_overwritten(nano_onnx: Path, folder: Path, capsys: Captured) -> None:
    kept = folder / "kept.json"
    kept.write_text("mine")
    arguments = ("--calibration", folder / "pictures", "--statistics", kept, "-o", folder / "none.onnx")
    assert "kept.json exists" in fails(capsys, "convert-precision", nano_onnx, "--int8", *arguments)
    assert kept.read_text() == "mine"


def test_a_cpu_without_vnni_is_told(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    for flags, expected in (("fpu avx2", False), ("fpu avx2 avx_vnni", True), ("fpu avx512_vnni", True)):
        cpuinfo.write_text(f"processor : 0\nflags\t\t: {flags}\n")
        assert machine.has_int8_instructions(cpuinfo) is expected
    assert machine.has_int8_instructions(tmp_path / "missing") is None
    monkeypatch.setattr(machine, "has_int8_instructions", lambda: False)
    int8_options.note_slow_cpu()
    assert "VNNI" in capsys.readouterr().err
