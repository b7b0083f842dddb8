"""What each check of the self-test does, skips and finds: with stand-ins for what this machine lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.selftest.conftest import MakeContext, in_process, lacking
from tests.gpu_stand_in import FakeGpu
from tests.machine_stand_in import machine_with_gpu
from yolact_deploy.benchmarks.kernels.cases import GROUPS, timed_cases
from yolact_deploy.benchmarks.selftest import context as context_room
from yolact_deploy.benchmarks.selftest import models, plugins
from yolact_deploy.benchmarks.selftest.check import Check, FailedError, SkippedError, run_check
from yolact_deploy.benchmarks.selftest.context import COMMAND, CheckContext
from yolact_deploy.benchmarks.selftest.goals import MAX_MICROSECONDS, goals
from yolact_deploy.benchmarks.selftest.run import Planned, plan
from yolact_deploy.errors import ModelFileError, YolactDeployError
from yolact_deploy.inspection.doctor import MachineReport

RIGHT = {"model": "m", "precision": "fp32", "matched": 9, "looked_up": 9, "failures": []}
PICTURES = {"models": [RIGHT], "fps": 50.0, "ms": 20.0, "gpu_ms": 3.21, "description": "TensorRT"}
TIMES = {"gpu": "NVIDIA H100 80GB", "copy_gb_per_s": 2000.0, "pytorch": None, "times": []}


@dataclass
class Recorder:
    """Answers like the subprocesses of a machine on which all goes well, and keeps what was asked for."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    commands: list[tuple[str, list[str]]] = field(default_factory=list)
    prefixes: list[list[str]] = field(default_factory=list)

    def __call__(
        self,
        module: str,
        arguments: Sequence[str],
        doing: str,
        limit_s: float | None = None,
        prefix: Sequence[str] = (),
    ) -> str:
        assert limit_s
        self.commands.append((module, list(arguments)))
        self.prefixes.append(list(prefix))
        if module == COMMAND:
            Path(arguments[arguments.index("--output") + 1]).touch()
            return "kernel table\n/cache/libyolact_plugins.so: TensorRT 10.14, CUDA 13.0, 90-real"
        if module == models.PICTURES:
            return json.dumps(self.answers.get("pictures", PICTURES))
        return json.dumps(TIMES if "time" in arguments else {"cases": 11, "largest_difference": 2e-6})


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def statuses(context: CheckContext) -> dict[str, Check]:
    return {each.name: run_check(each.name, lambda each=each: each.work(context)) for each in plan()}  # type: ignore[misc]


def test_a_machine_with_everything_passes_everything(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins.shutil, "which", lambda name: f"/cuda/bin/{name}")  # type: ignore[attr-defined]
    recorder = Recorder()
    checks = statuses(make_context(recorder, sanitize=True))
    assert {check.status for check in checks.values()} == {"passed"}, checks
    assert checks["plugins compile"].detail == "TensorRT 10.14, CUDA 13.0, 90-real"
    assert "3.21 ms of it on the GPU" in checks["TensorRT fp16"].detail
    assert set(GROUPS) <= {words[-1] for module, words in recorder.commands if module == plugins.KERNELS}
    builds = [words for module, words in recorder.commands if words[0] == "build-engine"]
    assert len(builds) == len(models.ENGINES)
    assert sum("--fp16" in words for words in builds) == 4
    assert sum("none" in words for words in builds) == 2
    assert sum(any("nano.image-masks.onnx" in word for word in words) for words in builds) == 1
    *_, two = (words for module, words in recorder.commands if module == models.PICTURES)
    assert sum(word.endswith(".engine") for word in two) == 2
    tools = [prefix[2] for prefix in recorder.prefixes if prefix]
    assert tools == list(plugins.SANITIZER_TOOLS)
    uninitialised = [words for _, words in recorder.commands if "--uninitialised" in words]
    assert len(uninitialised) == 1


def test_this_machine_skips_with_a_reason_or_passes(make_context: MakeContext, machine: MachineReport) -> None:
    context = make_context(Recorder(), lacking(machine, "gpu"))
    for name, check in statuses(context).items():
        assert check.status == "skipped" or name in (
            "PyTorch",
            "export",
            "ONNX Runtime, CPU",
            "export with image-size masks",
        )
        assert check.detail


@pytest.mark.parametrize(("key", "name"), [("gpu", "NVIDIA GPU"), ("cuda", "CUDA Python")])
def test_kernels_need_a_gpu_and_a_binding(make_context: MakeContext, key: str, name: str) -> None:
    complete = make_context().machine
    with pytest.raises(SkippedError, match=name):
        plugins.kernels(make_context(Recorder(), lacking(complete, key, "pycuda")), GROUPS[0])


def test_without_compilers_an_older_library_is_used(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    complete = make_context().machine
    abilities = (replace(each, missing=("CMake",) if "compile" in each.title else ()) for each in complete.abilities)
    context = make_context(Recorder(), replace(complete, abilities=tuple(abilities)))
    with pytest.raises(SkippedError, match="lacks CMake; no plugin library"):
        plugins.build(context)
    with pytest.raises(SkippedError, match="build-plugins"):
        plugins.kernels(context, GROUPS[0])
    older = tmp_path / "older.so"
    monkeypatch.setattr(context_room, "find_library", lambda major: older if major == 10 else None)
    with pytest.raises(SkippedError, match=r"lacks CMake; .*older.so is used"):
        plugins.build(context)
    assert context.library() == older

    def damaged(major: int) -> Path:
        raise ModelFileError("not the library that was built here")

    monkeypatch.setattr(context_room, "find_library", damaged)
    with pytest.raises(SkippedError, match="not the library"):
        context.library()


def test_without_an_onnx_file_engines_are_skipped(make_context: MakeContext) -> None:
    with pytest.raises(
        SkippedError, match=r"no nano\.onnx here; name an export of the bundled checkpoint with --model"
    ):
        models.engine(make_context(Recorder()), models.ENGINES[0])
    with pytest.raises(SkippedError, match=r"mine\.onnx is used"):
        models.export(make_context(Recorder(), model=Path("mine.onnx")))


def test_a_failed_gate_and_a_failed_build(make_context: MakeContext) -> None:
    wrong = {**PICTURES, "models": [{**RIGHT, "failures": ["90.00% of the detections match"]}]}
    context = make_context(Recorder({"pictures": wrong}))
    context.onnx.touch()
    with pytest.raises(FailedError, match=r"m: 90.00% of the detections match"):
        models.engine(context, models.ENGINES[0])

    def broken(*_: object, **__: object) -> str:
        raise YolactDeployError("building the engine failed: out of GPU memory")

    check = run_check("engine", lambda: models.engine(make_context(broken), models.ENGINES[0]))
    assert (check.status, check.detail) == ("failed", "building the engine failed: out of GPU memory")


def test_what_the_sanitizer_reports(make_context: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins.shutil, "which", lambda name: name)  # type: ignore[attr-defined]

    def reporting(
        module: str, arguments: Sequence[str], doing: str, limit_s: float | None = None, prefix: Sequence[str] = ()
    ) -> str:
        Path(prefix[prefix.index("--log-file") + 1]).write_text(
            "========= COMPUTE-SANITIZER\n========= Invalid __global__ write of size 4 bytes\n=========     at 0x90\n"
        )
        raise YolactDeployError("its process ended with status 9")

    context = make_context(reporting, sanitize=True)
    context.built_library.touch()
    with pytest.raises(FailedError, match=r"^Invalid __global__ write of size 4 bytes$"):
        plugins.sanitize(context, "memcheck")
    with pytest.raises(SkippedError, match="--sanitize"):
        plugins.sanitize(replace(context, sanitize=False), "memcheck")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGpu]:
    """A GPU and TensorRT 11 in this process."""
    with machine_with_gpu(monkeypatch, tmp_path / "cache", "cuda-python") as gpu:
        yield gpu


def test_an_engine_is_built_and_run(
    make_context: MakeContext, gpu: FakeGpu, nano_onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything real but TensorRT and the GPU."""
    monkeypatch.setattr(models, "_TIMED_SECONDS", 0.05)
    context = make_context(in_process, model=nano_onnx)
    found = models.engine(context, models.ENGINES[0])
    assert "detections match" in found.detail
    assert "of it on the GPU; TensorRT 11" in found.detail
    assert "cudaGraphLaunch" in gpu.calls
    gpu.fails.add("execute_async_v3")
    check = run_check("engine", lambda: models.engine(context, replace(models.ENGINES[0], name="another")))
    assert check.status == "failed"
    assert "TensorRT failed to run" in check.detail


def test_every_check_has_its_own_name() -> None:
    names = [each.name for each in plan()]
    assert len(set(names)) == len(names)
    assert all(isinstance(each, Planned) for each in plan())


def measured(gpu: str, microseconds: float, speedup: float | None) -> Check:
    times = [{"name": case.name, "microseconds": microseconds, "speedup": speedup} for case in timed_cases()]
    return Check("kernels: time", "passed", "", 1.0, {"gpu": gpu, "times": times})


def test_goals() -> None:
    assert set(MAX_MICROSECONDS) <= {case.name for case in timed_cases()}
    assert goals([measured("NVIDIA H100 80GB HBM3", 14.0, 11.0)])
    assert all(goal.met for goal in goals([measured("NVIDIA H200", 14.0, 11.0)]))
    assert not any(goal.met for goal in goals([measured("NVIDIA H200", 41.0, 9.0)]))
    assert len(goals([measured("NVIDIA H200", 41.0, None)])) == len(MAX_MICROSECONDS)
    assert goals([measured("Orin", 14.0, 11.0)]) == ()
    assert goals([Check("kernels: time", "skipped", "no GPU", 0.0, {})]) == ()
