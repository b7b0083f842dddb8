"""The wheel, built from the sdist, holds everything as ordinary files and works without the source tree."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    # Without arguments for what to build, `build` makes the wheel from the sdist: the way users get it.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_has_the_linked_folders_and_the_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for file in (
        "export/graph/assemble.py",
        "export/graph/fast_nms.py",
        "benchmarks/bench.py",
        "benchmarks/kernels/run.py",
        "benchmarks/selftest/nano_detections.json",
        "telemetry/nvml.py",
        "runtimes/onnxruntime.py",
        "py.typed",
    ):
        assert f"yolact_deploy/{file}" in names
    for file in ("CMakeLists.txt", "common/block.h", "fast_nms/launch.cu", "mask_assembly/plugin.cc"):
        assert f"yolact_deploy/plugins/{file}" in names
    for file in ("macros.html.j2", "report.css", "report.html.j2", "report.js"):
        assert f"yolact_deploy/benchmarks/report/html/{file}" in names
    for file in ("CMakeLists.txt", "layers.cc", "layers.h", "mask.cc", "mask.h", "parser.cc", "plugins.cc"):
        assert f"yolact_deploy/packages/deepstream/sources/{file}" in names
    data = {name for name in names if name.startswith("yolact_deploy/benchmarks/data/nano/")}
    assert sum(name.endswith(".jpg") for name in data) == 64
    assert sum(name.endswith((".pth", "instances.json")) for name in data) == 2
    assert not [name for name in names if "/scripts/" in name]
    assert not [name for name in names if name.startswith(("tests/", "export/", "benchmarks/", "plugins/"))]


def test_the_installed_wheel_works_elsewhere(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import sys; sys.path.insert(0, 'site'); import yolact_deploy, yolact_deploy.export.graph.assemble\n"
        "from pathlib import Path; home = Path(yolact_deploy.__file__).parent; assert 'site' in home.parts, home\n"
        "weights = home / 'benchmarks/data/nano/yolact_nano_22_4148.pth'\n"
        "from yolact_deploy.cli import main; main(['export', str(weights), '-o', 'nano.onnx'])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert (tmp_path / "nano.onnx").is_file()
