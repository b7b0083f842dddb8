"""The plugin library in the real plugin registries of TensorRT 10.16 and 11.4, which need no GPU.

It is compiled with the headers that are here. The plugins' own interfaces are the same in 10 and 11; those of the
logger are not, so what makes a plugin speak is tried in the registry of the headers' major version only.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.test_manifest import make as make_manifest
from tests.conftest import ROOT
from tests.once import made_once
from tests.plugins.nodes import BAD_NODES, GOOD_NODES, OTHER_RULES, attributes_of
from tests.plugins.shell import Toolchain, compile_player, player_in
from tests.real_tensorrt.releases import REGISTRIES, Release
from tests.shared_library import compile_library, named_plugin_library
from yolact_deploy.artifacts.manifest import PluginRecord, manifest_path
from yolact_deploy.artifacts.operators import FAST_NMS, MASK_ASSEMBLY
from yolact_deploy.files import sha256_of
from yolact_deploy.trt.plugin_build import PluginBuild
from yolact_deploy.trt.plugin_library import read_origin

OPERATORS = [FAST_NMS, MASK_ASSEMBLY]
PHASES = {"BUILD", "RUNTIME"}


@pytest.fixture(scope="module", params=REGISTRIES, ids=lambda release: release.name)
def release(request: pytest.FixtureRequest) -> Release:
    return request.param if request.param.is_installed else pytest.skip(request.param.missing)


@pytest.fixture(scope="module", params=["host build", pytest.param("nvcc", marks=pytest.mark.slow)])
def library(request: pytest.FixtureRequest, toolchain: Toolchain, run_folder: Path) -> Path:
    """Both have the same creators."""
    if request.param == "nvcc":
        built: PluginBuild = request.getfixturevalue("plugin_build")
        return built.path
    folder = made_once(run_folder / "unchecked", lambda folder: compile_player(toolchain, folder, checks=()))
    return player_in(folder).library


PROBE = ("-m", "tests.real_tensorrt.registry")


def registered(release: Release, library: Path, nodes: list[Any]) -> tuple[dict[str, Any], str]:
    """What the registry made of `nodes`, and what was said."""
    return _read(release.run([*PROBE, "tensorrt", library], json.dumps(nodes)))


def _read(done: subprocess.CompletedProcess[str]) -> tuple[dict[str, Any], str]:
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts, done.stderr


def test_both_plugins_are_created_in_both_phases(release: Release, library: Path) -> None:
    facts, said = registered(release, library, GOOD_NODES)
    assert facts["versions"] == dict.fromkeys(OPERATORS, "1")
    every = attributes_of(OTHER_RULES)
    assert facts["fields"] == {
        FAST_NMS: {name: "FLOAT32" if type(value) is float else "INT32" for name, value in every.items()},
        MASK_ASSEMBLY: {"mask_size": "CHAR"},
    }
    assert facts["created"] == {phase: [True] * len(GOOD_NODES) for phase in PHASES}
    assert said == ""


def test_a_registry_takes_a_library_once(release: Release, library: Path) -> None:
    """Why `load_plugins` keeps what it loaded."""
    facts, _ = registered(release, library, [])
    assert facts["loads"] == [True, False]


def test_every_bad_attribute_is_refused(release: Release, library: Path, toolchain: Toolchain) -> None:
    if release.major != toolchain.headers.major:
        pytest.skip(f"needs headers of TensorRT {release.major}: set TENSORRT_ROOT")
    facts, said = registered(release, library, [node[:2] for node in BAD_NODES])
    assert facts["created"] == {phase: [False] * len(BAD_NODES) for phase in PHASES}
    assert said.splitlines() == [f"{operator}: {message}" for operator, _, message in BAD_NODES] * len(PHASES)


def test_in_the_registry_of_tensorrt_for_rtx(library: Path) -> None:
    pytest.importorskip("tensorrt_rtx_bindings")
    nodes = [*GOOD_NODES, *(node[:2] for node in BAD_NODES)]
    command = [sys.executable, *PROBE, "tensorrt_rtx_bindings", str(library)]
    done = subprocess.run(command, input=json.dumps(nodes), capture_output=True, text=True, cwd=ROOT)
    facts, _ = _read(done)
    assert facts["created"] == {phase: [True] * len(GOOD_NODES) + [False] * len(BAD_NODES) for phase in PHASES}


def loaded(release: Release, *libraries: Path) -> list[tuple[str, list[str]]]:
    """What `load_plugins` says of each library in turn, and which of our plugins are registered then."""
    done = release.run(["-m", "tests.real_tensorrt.plugin_loading", *libraries])
    assert done.returncode == 0, done.stderr
    return [(said, names) for said, names in json.loads(done.stdout)]


def test_one_library_serves_all_engines_of_a_process(
    release: Release, library: Path, toolchain: Toolchain, tmp_path: Path
) -> None:
    if release.major != toolchain.headers.major:
        pytest.skip(f"needs headers of TensorRT {release.major}: set TENSORRT_ROOT")
    copy, other = tmp_path / "copy.so", tmp_path / "other.so"
    copy.write_bytes(library.read_bytes() + b"\0")  # as one that was compiled again from the same sources
    named_plugin_library(other, release.major, sources="others")
    first, again, same_sources, differs = loaded(release, library, library, copy, other)
    assert first == again == same_sources == ("", OPERATORS)
    assert differs[1] == OPERATORS
    assert f"{other} is another plugin library than {library}" in differs[0]


def test_engine_and_library_are_copied_to_another_machine(
    release: Release, library: Path, toolchain: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if release.major != toolchain.headers.major:
        pytest.skip(f"needs headers of TensorRT {release.major}: set TENSORRT_ROOT")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    engine, beside = tmp_path / "a.engine", tmp_path / "plugins.so"
    record = PluginRecord(beside.name, sha256_of(library), read_origin(library).source_version, str(release.major))

    def opened_with(record: PluginRecord, *named: Path) -> tuple[str, list[str]]:
        manifest_path(engine).write_text(make_manifest(plugins=record).to_json())
        said, names = json.loads(release.run(["-m", "tests.real_tensorrt.engine_plugins", engine, *named]).stdout)
        return said, names

    said, names = opened_with(record)
    assert "neither beside it nor at" in said
    assert names == []
    beside.write_bytes(library.read_bytes())
    assert opened_with(record) == (str(beside), OPERATORS)
    beside.write_bytes(library.read_bytes() + b"\0")  # as one that was compiled again from the same sources
    assert opened_with(record) == (str(beside), OPERATORS)
    said, names = opened_with(replace(record, source_version="others"))
    assert "was compiled from other plugin sources" in said
    assert names == []
    beside.unlink()
    assert opened_with(record, library) == (str(library), OPERATORS)


def test_a_library_of_another_major_version_never_gets_there(
    release: Release, library: Path, toolchain: Toolchain, tmp_path: Path
) -> None:
    major, other = toolchain.headers.major, library
    if release.major == major:
        major = 99
        other = named_plugin_library(tmp_path / "other.so", major)
    ((said, names),) = loaded(release, other)
    assert f"was compiled for TensorRT {major}, here is TensorRT {release.version}" in said
    assert "run `yolact-deploy build-plugins`" in said
    assert names == []


def test_what_is_no_plugin_library(release: Release, tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("not a library")
    foreign = compile_library(tmp_path / "foreign.so", "int anything(void) { return 1; }")
    empty = named_plugin_library(tmp_path / "empty.so", release.major)
    missing, *others = loaded(release, tmp_path / "none.so", text, foreign, empty)
    assert "no such plugin library" in missing[0]
    for (said, names), part in zip(
        others, ("does not load as a shared library", "is no plugin library of yolact-deploy", "empty.so"), strict=True
    ):
        assert part in said
        assert names == []
        assert "\n" not in said
