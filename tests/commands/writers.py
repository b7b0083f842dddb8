"""Every command that writes, each with what it writes; for tests that let the writing fail."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import onnx
import pytest

from tests.benchmarks.report.test_text import GOOD
from tests.checkpoints.files import save, zeros
from tests.conftest import NANO, NANO_WEIGHTS
from tests.inference.videos import make_video, moving
from yolact_deploy.benchmarks import bench
from yolact_deploy.benchmarks.selftest import run as selftest_run
from yolact_deploy.benchmarks.selftest.check import Finding
from yolact_deploy.benchmarks.selftest.run import Planned
from yolact_deploy.checkpoints.releases import find_release
from yolact_deploy.config.model import ModelConfig
from yolact_deploy.export.engine import builder
from yolact_deploy.trt import plugin_build
from yolact_deploy.trt.plugin_toolchain import Nvcc, TensorRTHeaders

FRAMES = 6
RELEASE = find_release("yolact_resnet50")


@dataclass(frozen=True)
class Writer:
    """A command line, run in the folder of `fill`, and what it writes there; a folder ends in /."""

    line: str
    outputs: tuple[str, ...]
    package: str = "onnx"  # that it needs


WRITERS = {
    "export": Writer("export w.pth -o out.onnx --force", ("out.onnx",)),
    "fp16": Writer("convert-precision m.onnx --fp16 -o out.onnx --force", ("out.onnx",)),
    "int8": Writer(
        "convert-precision m.onnx --int8 --layout cpu --calibration pics --statistics s.json -o out.onnx --force",
        ("out.onnx", "s.json"),
    ),
    "engine": Writer(
        "build-engine m.onnx --runtime tensorrt-rtx -o out.engine --force",
        ("out.engine", "out.engine.json"),
        "tensorrt_rtx_bindings",
    ),
    "plugins": Writer("build-plugins --arch 87 -o out.so", ("out.so", "out.so.json")),
    "bench": Writer(
        "bench m.onnx --json b.json --markdown b.md --report report", ("b.json", "b.md", "report/"), "matplotlib"
    ),
    "pictures": Writer(
        "infer pics -m m.onnx -o drawn --json j.json --polygons p.json --results r.json --cutouts cut --force",
        ("drawn/", "j.json", "p.json", "r.json", "cut/"),
    ),
    "video": Writer("infer v.mp4 -m m.onnx -o out.mp4 --json j.json --force", ("out.mp4", "j.json"), "av"),
    "inspect": Writer("inspect m.onnx --json i.json", ("i.json",)),
    "compare": Writer("compare m.onnx m.onnx --json c.json", ("c.json",)),
    "doctor": Writer("doctor --json d.json", ("d.json",)),
    "selftest": Writer("selftest -o self", ("self/",)),
    "list": Writer("weights list --json l.json", ("l.json",)),
    "pull": Writer(
        "weights pull yolact_resnet50 -o weights",
        (f"weights/{RELEASE.file_name}", f"weights/{RELEASE.file_name}.sha256"),
    ),
}


def fill(folder: Path, nano_onnx: Path) -> None:
    """What the commands read."""
    shutil.copy(NANO_WEIGHTS, folder / "w.pth")
    shutil.copy(nano_onnx, folder / "m.onnx")
    (folder / "pics").mkdir()
    for picture in sorted((NANO / "images").iterdir())[:8]:
        shutil.copy(picture, folder / "pics")
    make_video(folder / "v.mp4", [moving(index) for index in range(FRAMES)])
    mirror = folder / RELEASE.url("mirror")
    mirror.parent.mkdir(parents=True)
    save(mirror, zeros(ModelConfig.named(RELEASE.config)))


def shorten(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Leave out what takes long or is not here before the writing: compilers, measurements, a network."""
    patch.setattr(bench, "run_bench", lambda options, progress: GOOD)
    patch.setattr(selftest_run, "plan", lambda: (Planned("good", lambda context: Finding("fine")),))
    patch.setattr(builder, "build_plan", _built_once(builder.build_plan))
    patch.setattr(plugin_build, "find_nvcc", lambda: Nvcc(Path("nvcc"), "12.6", (87,), folder))
    patch.setattr(plugin_build, "find_headers", lambda given: TensorRTHeaders(folder, "10.3.0"))
    patch.setattr(plugin_build, "choose_architectures", lambda given, nvcc: (87,))
    patch.setattr(plugin_build, "find_tool", lambda name, advice: name)
    patch.setattr(plugin_build, "_compile", _compiled)
    patch.setenv("YOLACT_DEPLOY_WEIGHTS_URL", f"file://{folder}/mirror")


def _built_once(build: Callable[..., Any]) -> Callable[..., Any]:
    """Building an engine takes seconds; the same one is made every time here."""
    made: list[Any] = []

    def built(*arguments: object) -> object:
        if not made:
            made.append(build(*arguments))
        return made[0]

    return built


def _compiled(folder: Path, *given: object) -> str:
    (folder / plugin_build.LIBRARY).write_bytes(b"\x7fELF" + plugin_build.ORIGIN_SYMBOL.encode() + bytes(20_000))
    return ""


def is_whole(path: Path) -> bool:
    """Whether a file that a command wrote can be read to its end."""
    check: Callable[[Path], object] = {
        ".json": lambda path: json.loads(path.read_text()),
        ".onnx": lambda path: onnx.checker.check_model(onnx.load(path)) or True,
        ".mp4": lambda path: _frames(path) > 0,
        ".jpg": lambda path: cv2.imread(str(path)) is not None,
        ".png": lambda path: cv2.imread(str(path)) is not None,
        ".html": lambda path: path.read_text().rstrip().endswith("</html>"),
        ".pth": lambda path: path.read_bytes() == next(path.parent.parent.glob("mirror/**/*.pth")).read_bytes(),
        ".so": lambda path: path.stat().st_size > 20_000,
    }.get(path.suffix, lambda path: path.read_bytes().endswith(b"\n") or path.suffix == ".engine")
    return bool(check(path))


def _frames(path: Path) -> int:
    import av

    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))
