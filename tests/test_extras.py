"""pip's resolver takes every install line that the documentation names, for the platform that it is meant for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# glibc 2.35 is Ubuntu 22.04's (JetPack 6); 2.39 is Ubuntu 24.04's (JetPack 7).
PLATFORMS = {
    "x86_64": [f"manylinux_2_{minor}_x86_64" for minor in (17, 27, 28, 34, 35)] + ["manylinux2014_x86_64"],
    "aarch64": [f"manylinux_2_{minor}_aarch64" for minor in (17, 27, 28, 31, 34, 35)] + ["manylinux2014_aarch64"],
}
SHADOWING = {"torch", "tensorrt", "onnxruntime-gpu", "onnxruntime"}  # JetPack's own, or built for it

CASES = [
    pytest.param("", "aarch64", "3.10", id="base-jetpack-6"),
    pytest.param("", "aarch64", "3.12", id="base-jetpack-7"),
    pytest.param("jetson", "aarch64", "3.10", id="jetson-jetpack-6"),
    pytest.param("jetson", "aarch64", "3.12", id="jetson-jetpack-7"),
    pytest.param("cpu,bench", "aarch64", "3.12", id="cpu-arm"),
    pytest.param("export,cpu,bench", "x86_64", "3.11", id="cpu"),
    pytest.param("export,gpu,bench", "x86_64", "3.11", id="gpu"),
    pytest.param("openvino,cpu", "x86_64", "3.11", id="openvino"),
    pytest.param("rtx", "x86_64", "3.11", id="rtx"),
    pytest.param("plugins", "x86_64", "3.11", id="plugins"),
]


def requirements(extras: str) -> list[str]:
    """What an install with `extras` asks for, with their markers."""
    if sys.version_info < (3, 11):
        pytest.skip("reads pyproject.toml with tomllib, of Python 3.11")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    return project["dependencies"] + [line for name in extras.split(",") if name for line in optional[name]]


@pytest.mark.slow
@pytest.mark.parametrize(("extras", "machine", "python"), CASES)
def test_pip_resolves_it_from_wheels_alone(extras: str, machine: str, python: str, tmp_path: Path) -> None:
    """Nothing is installed. pip knows the markers of this machine only, so those of the target are applied before."""
    from packaging.requirements import Requirement

    target = {"platform_machine": machine, "sys_platform": "linux", "python_version": python}
    wanted = [
        str(requirement).partition(";")[0]
        for requirement in map(Requirement, requirements(extras))
        if requirement.marker is None or requirement.marker.evaluate(target)
    ]
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--report", report]
    command += ["--only-binary=:all:", "--target", tmp_path / "site", "--python-version", python]
    command += [word for platform in PLATFORMS[machine] for word in ("--platform", platform)]
    (tmp_path / "constraints.txt").write_text("torch==2.13.0\n")  # the newest would be gigabytes
    done = subprocess.run([*command, "-c", tmp_path / "constraints.txt", *wanted], capture_output=True, text=True)
    if "No matching distribution" not in done.stderr and "Connection" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    names = {entry["metadata"]["name"].lower() for entry in json.loads(report.read_text())["install"]}
    assert "numpy" in names
    if machine == "aarch64" and "cpu" not in extras:
        assert not names & SHADOWING
