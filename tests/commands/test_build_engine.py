"""`yolact-deploy build-engine` and what follows it on a machine without a GPU."""

from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress

from tests.conftest import NANO
from tests.running import Captured, assert_one_error_line, fails, run_process, succeeds
from yolact_deploy import cli, console
from yolact_deploy.commands.build_progress import PhaseBars, PhaseLog, build_progress
from yolact_deploy.trt.cuda import find_gpu
from yolact_deploy.trt.library import LOGGER_NAME

pytest.importorskip("tensorrt_rtx_bindings", reason='needs TensorRT for RTX: pip install "yolact-deploy[rtx]"')


@pytest.fixture
def engine(nano_onnx: Path, tmp_path: Path, capsys: Captured) -> Path:
    output = tmp_path / "nano.engine"
    shown = succeeds(
        *(capsys, "build-engine", nano_onnx, "-o", output, "--runtime", "tensorrt-rtx", "--fp16"),
        *("--compute-capability", "8.6,12.0", "--min", "64x64", "--max", "1280x720"),
    )
    assert "input image: uint8 [1,64,64,3] to [1,720,1280,3]" in shown
    assert "yolact_nano, fp16, TensorRT for RTX" in shown
    assert "runs on: RTX desktop cards with compute capability 8.6, 12.0; no Jetson, no data-centre card" in shown
    return output


def test_the_output_is_named_after_the_model(nano_onnx: Path, tmp_path: Path, capsys: Captured) -> None:
    source = tmp_path / "mine.onnx"
    source.write_bytes(nano_onnx.read_bytes())
    succeeds(capsys, "build-engine", source, "--runtime", "tensorrt-rtx")
    assert (tmp_path / "mine.engine").is_file()
    assert (tmp_path / "mine.engine.json").is_file()
    assert "exists: pass --force" in fails(capsys, "build-engine", source, "--runtime", "tensorrt-rtx")


def test_inspect_knows_it_without_a_gpu(engine: Path, capsys: Captured) -> None:
    shown = succeeds(capsys, "inspect", engine)
    for part in ("TensorRT engine", "compute capability 8.6, 12.0", "yolact_nano_22_4148.pth", "star", "rebuild with"):
        assert part in shown
    values = json.loads(succeeds(capsys, "inspect", engine, "--json", "-"))
    assert values["kind"] == "engine"
    assert values["file"]["manifest"]["metadata"]["precision"] == "fp16"
    (engine.parent / "nano.engine.json").unlink()
    shown = succeeds(capsys, "inspect", engine)
    assert "no manifest" in shown


def test_auto_says_when_it_takes_tensorrt_for_rtx(
    nano_onnx: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    output = tmp_path / "auto.engine"
    assert cli.run(["build-engine", str(nano_onnx), "-o", str(output)]) == 0
    assert "runs on no Jetson and no data-centre card" in " ".join(capsys.readouterr().err.split())


@pytest.mark.skipif(find_gpu() is not None, reason="this machine has a GPU")
def test_running_it_needs_a_gpu(engine: Path, tmp_path: Path) -> None:
    done = run_process("infer", NANO / "images", "-m", engine, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert_one_error_line(done.stderr)
    assert "GPU" in done.stderr or "cuda-python" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fp16", "--bf16"), "one precision, not bf16 and fp16"),
        (("--precision", "int4"), "unknown precision 'int4'"),
        (("--min", "640"), "write WIDTHxHEIGHT"),
        (("--batch", "x"), "batch 'x'"),
        (("--batch", "4"), "export it with --batch dynamic"),
        (("--workspace", "lots"), "size 'lots'"),
        (("--workspace", "1K"), "a workspace of 1 KiB is not enough"),
        (("--runtime", "openvino"), "unknown runtime 'openvino'"),
        (("--dla", "0"), "--dla is not supported by TensorRT for RTX"),
        (("--optimization-level", "9"), "--optimization-level"),
        (
            ("--compute-capability", "8.7"),
            "8.7 is a Jetson Orin: build on the Jetson with TensorRT, see docs/jetson.md",
        ),
        (("--compute-capability", "8.6,11.0"), "11.0 is a Jetson Thor"),
        (("--compute-capability", "9.0"), "9.0 is a data-centre card (H100 or H200): build on a machine that has one"),
        (("--compute-capability", "5.0"), "5.0 is unknown to TensorRT for RTX"),
    ],
)
def test_refusals(arguments: tuple[str, ...], message: str, nano_onnx: Path, tmp_path: Path, capsys: Captured) -> None:
    runtime = () if "--runtime" in arguments else ("--runtime", "tensorrt-rtx")
    line = fails(capsys, "build-engine", nano_onnx, "-o", tmp_path / "x.engine", *runtime, *arguments)
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_verbose_shows_what_the_library_logs(nano_onnx: Path, tmp_path: Path) -> None:
    done = run_process("build-engine", nano_onnx, "-o", tmp_path / "x.engine", "--runtime", "tensorrt-rtx", "-v")
    assert done.returncode == 0
    assert "Parsing node: preprocess/Cast" in done.stderr
    assert "rebuild with" in done.stdout


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    with build_progress() as listener:
        assert isinstance(listener, PhaseLog)
        listener.started("Building engine", None, 6)
        listener.stepped("Building engine", 0)
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(console, "LOG_SECONDS", 0.0)
        listener.started("Timing tactics", "Building engine", 3)
        listener.finished("Timing tactics")
    assert capsys.readouterr().err == "building: Timing tactics, 3 steps\n"
    assert logging.getLogger(LOGGER_NAME).level == logging.NOTSET


def test_bars_nest() -> None:
    with Progress(console=Console(file=io.StringIO())) as progress:
        bars = PhaseBars(progress)
        for depth, phase in enumerate(("a", "b", "c", "d")):
            bars.started(phase, None if depth == 0 else "abcd"[depth - 1], depth + 2)
        bars.stepped("b", 0)
        bars.stepped("d", 0)  # too deep to show
        shown = {task.description: (task.completed, task.total) for task in progress.tasks}
        assert shown == {"a": (0, 2), "  b": (1, 3), "    c": (0, 4)}
        for phase in "dcba":
            bars.finished(phase)
        assert progress.tasks == []


def test_nothing_installed(nano_onnx: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install" in fails(capsys, "build-engine", nano_onnx, "-o", tmp_path / "x.engine")


def test_debug_outputs(nano_onnx: Path, tmp_path: Path, capsys: Captured) -> None:
    half = tmp_path / "half.onnx"
    succeeds(capsys, "convert-precision", nano_onnx, "-o", half, "--fp16")
    for name, source, flags in (("fp32", nano_onnx, ()), ("fp16", nano_onnx, ("--fp16",)), ("half", half, ())):
        output = tmp_path / f"{name}.engine"
        rtx = ("--runtime", "tensorrt-rtx", "--compute-capability", "8.6")
        succeeds(capsys, "build-engine", source, "-o", output, *rtx, "--debug-outputs", *flags)
        shown = succeeds(capsys, "inspect", output)
        for tensor in ("C3: float32 [1,128,32,32]", "P7: float32 [1,64,2,2]", "coef: float32 [1,4092,32]"):
            assert tensor in shown
        assert "--debug-outputs" in shown  # in the command that makes it again
