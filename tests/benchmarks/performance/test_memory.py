"""Peak memory in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NANO, NANO_WEIGHTS
from yolact_deploy.benchmarks.performance import memory
from yolact_deploy.benchmarks.performance.memory import main, measure_peak_memory, peak_memory
from yolact_deploy.benchmarks.performance.subprocesses import run_module
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.errors import YolactDeployError

IMAGE = NANO / "images/000000001000.jpg"
MIB = 1 << 20


def test_nothing_is_imported_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that lie there are named like those that every subprocess imports."""
    for name in ("json", "runpy", "argparse", "numpy", "yolact_deploy", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of the current folder was imported')")
    monkeypatch.chdir(tmp_path)
    for folders in (["", *sys.path], [str(tmp_path), *sys.path], [".", *sys.path]):
        monkeypatch.setattr(sys, "path", folders)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert run_module("yolact_deploy.benchmarks.performance.memory", ["--help"], "working").startswith("usage")


def test_an_exported_file_runs_without_torch(nano_onnx: Path) -> None:
    use = measure_peak_memory(nano_onnx, [IMAGE], device="cpu", threads=1)
    assert not use.imports_torch
    assert use.detections == 36
    assert 20 * MIB < use.peak_bytes < 1000 * MIB


def test_a_checkpoint_with_a_configuration_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.write_bytes(NANO_WEIGHTS.read_bytes())
    config = ModelConfig.named("yolact_nano")
    use = measure_peak_memory(path, [IMAGE], threads=1, config=config)
    assert use.imports_torch
    assert use.detections == 36


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_the_peak_is_of_the_subprocess_alone(nano_onnx: Path) -> None:
    ballast = bytearray(b"x") * (700 * MIB)  # ru_maxrss of a subprocess would start here
    use = measure_peak_memory(nano_onnx, [IMAGE], device="cpu", threads=1)
    assert use.source == "VmHWM"
    assert use.peak_bytes < 500 * MIB
    assert len(ballast) == 700 * MIB


def test_the_peak_stays_after_memory_was_given_back() -> None:
    script = (
        "from yolact_deploy.benchmarks.performance.memory import peak_memory\n"
        "before = peak_memory()[0]; block = b'x' * (100 << 20); del block; print(peak_memory()[0] - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=NANO.parents[2])
    assert int(done.stdout) > 90 * MIB


def test_systems_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_STATUS", Path("/nowhere"))
    peak, source = peak_memory()
    assert source == "ru_maxrss"
    assert peak > 20 * MIB


def test_a_subprocess_that_fails_is_an_error_with_its_reason(tmp_path: Path, nano_onnx: Path) -> None:
    missing = tmp_path / "missing.onnx"
    with pytest.raises(YolactDeployError, match=r"measuring the memory of .* failed: no such file: .*missing\.onnx"):
        measure_peak_memory(missing, [IMAGE])
    with pytest.raises(YolactDeployError, match="failed: cannot read image"):
        measure_peak_memory(nano_onnx, [tmp_path / "missing.png"])


def test_a_subprocess_that_dies_without_a_word() -> None:
    with pytest.raises(YolactDeployError, match=r"^working failed: its process ended with status 3$"):
        run_module("timeit", ["-n1", "-r1", "-s", "import os; os._exit(3)", "pass"], "working")
    with pytest.raises(YolactDeployError, match=r"its process was ended by signal 9 \(out of memory\?\)"):
        run_module("timeit", ["-n1", "-r1", "-s", "import os; os.kill(os.getpid(), 9)", "pass"], "working")


def test_the_command_line(capsys: pytest.CaptureFixture[str], nano_onnx: Path, tmp_path: Path) -> None:
    assert main([str(nano_onnx), str(IMAGE), "--device", "cpu", "--threads", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["detections"] == 36
    assert main([str(tmp_path / "missing.onnx"), str(IMAGE)]) == 2
    assert capsys.readouterr().err.startswith("error: no such file: ")


def test_it_works_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nano_onnx: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert measure_peak_memory(nano_onnx, [IMAGE], device="cpu", threads=1).detections == 36
