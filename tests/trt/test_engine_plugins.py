"""Which plugin library an engine is opened with; tests/plugins/test_registry.py does it with a real registry."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gpu_stand_in import FakeGpu
from tests.machine_stand_in import machine_with_gpu
from tests.running import Captured, fails
from tests.shared_library import compile_library, named_plugin_library
from yolact_deploy.artifacts.manifest import Manifest, PluginRecord, manifest_path
from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.engine.build import build_engine
from yolact_deploy.export.engine.options import EngineOptions
from yolact_deploy.files import sha256_of
from yolact_deploy.trt.engine_file import open_engine
from yolact_deploy.trt.engine_plugins import find_engine_plugins
from yolact_deploy.trt.library import load_tensorrt
from yolact_deploy.trt.plugin_library import LibraryRecord, library_path, write_record

SOURCES, OTHER_SOURCES = "0123456789abcdef", "fedcba9876543210"
NAME = "plugins.so"


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGpu]:
    with machine_with_gpu(monkeypatch, tmp_path / "cache", "cuda-python") as gpu:
        yield gpu


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The plugin library of the machine that built the engine."""
    folder = tmp_path / "there"
    folder.mkdir()
    return named_plugin_library(folder / NAME, 11, sources=SOURCES)


@pytest.fixture
def engine(nano_onnx: Path, tmp_path: Path, there: Path) -> Path:
    """An engine that was built on another machine of the same kind, and copied here without its plugin library."""
    with pytest.MonkeyPatch.context() as patch, machine_with_gpu(patch, tmp_path / "their cache", "cuda-python"):
        built = build_engine(nano_onnx, EngineOptions(there.with_name("a.engine"), plugins=there)).path
    here = tmp_path / "here"
    here.mkdir()
    for path in (built, manifest_path(built)):
        shutil.copy(path, here)
    return here / built.name


def loaded(engine: Path, named: Path | None = None) -> list[str]:
    """Opens the engine; the plugin libraries that TensorRT has then."""
    open_engine(engine, Manifest.read(engine), named).backend.close()
    return registry_has()


def registry_has() -> list[str]:
    libraries: list[str] = sys.modules["tensorrt"].get_plugin_registry().loaded
    return libraries


def kept(major: int, sources: str | None) -> Path:
    """What `build-plugins` leaves in the user's cache."""
    path = library_path(major)
    path.parent.mkdir(parents=True)
    named_plugin_library(path, major, "compiled here", sources)
    write_record(path, LibraryRecord(sha256_of(path), "11.4.1", "13.2", ("87-real", "87-virtual"), "0"))
    return path


def rewrite(engine: Path, **changes: str) -> None:
    """The manifest with another record of the plugin library."""
    manifest = Manifest.read(engine)
    assert manifest.plugins is not None
    plugins = dataclasses.replace(manifest.plugins, **changes)
    manifest_path(engine).write_text(dataclasses.replace(manifest, plugins=plugins).to_json())


def test_the_manifest_names_no_folder(engine: Path, there: Path) -> None:
    assert Manifest.read(engine).plugins == PluginRecord(NAME, sha256_of(there), SOURCES, "11")


def test_engine_and_library_are_copied_to_another_machine(engine: Path, there: Path) -> None:
    beside = shutil.copy(there, engine.parent)
    assert loaded(engine) == [str(beside)]


def test_a_library_that_was_compiled_here_from_the_same_sources(engine: Path) -> None:
    ours = kept(11, SOURCES)
    assert loaded(engine) == [str(ours)]


def test_the_order(engine: Path, tmp_path: Path) -> None:
    ours = kept(11, SOURCES)
    beside = named_plugin_library(engine.with_name(NAME), 11, "beside", SOURCES)
    named = named_plugin_library(tmp_path / "mine.so", 11, "named", SOURCES)
    manifest, library = Manifest.read(engine), load_tensorrt()
    assert find_engine_plugins(engine, manifest, library, named) == named
    assert find_engine_plugins(engine, manifest, library, None) == beside
    beside.unlink()
    assert find_engine_plugins(engine, manifest, library, None) == ours
    assert registry_has() == []


def test_libraries_from_the_same_sources_are_one(engine: Path, tmp_path: Path) -> None:
    """The first one serves the engines of the other."""
    kept(11, SOURCES)
    named = named_plugin_library(tmp_path / "mine.so", 11, "named", SOURCES)
    assert loaded(engine, named) == loaded(engine) == [str(named)]


def test_one_that_does_not_fit_is_passed_over(engine: Path) -> None:
    named_plugin_library(engine.with_name(NAME), 11, sources=OTHER_SOURCES)
    ours = kept(11, SOURCES)
    assert loaded(engine) == [str(ours)]


def test_a_folder_in_a_manifest_is_not_followed(engine: Path, there: Path) -> None:
    for name in (str(there), "../there/" + NAME, str(there.with_name("none.so")), "", "..", "a\nb.so"):
        rewrite(engine, name=name)
        with pytest.raises(ModelFileError, match=r"needs the plugin library .* neither beside it nor at") as error:
            loaded(engine)
        assert "\n" not in str(error.value)
    assert registry_has() == []


def test_an_engine_of_version_0_1_0(engine: Path, there: Path) -> None:
    """Its manifest has a path and no sources: the same bytes fit, wherever the library is found."""
    rewrite(engine, name=str(there), source_version="", tensorrt="")
    same = kept(11, SOURCES)
    with pytest.raises(ModelFileError, match=rf"{same} was compiled from other plugin sources \({SOURCES}\) .*unknown"):
        loaded(engine)
    another = named_plugin_library(engine.with_name("another.so"), 11, "another that does not say its sources")
    with pytest.raises(ModelFileError, match=r"other plugin sources \(unknown\) .* \(unknown\)"):
        loaded(engine, another)
    assert loaded(engine, there) == [str(there)]


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda path: named_plugin_library(path, 11, sources=OTHER_SOURCES),
            rf"from other plugin sources \({OTHER_SOURCES}\) than .* \({SOURCES}\): run `yolact-deploy build-plugins`, "
            "then `yolact-deploy build-engine",
        ),
        (lambda path: named_plugin_library(path, 11, "of 0.1.0"), r"from other plugin sources \(unknown\)"),
        (lambda path: named_plugin_library(path, 10, sources=SOURCES), "was compiled for TensorRT 10, here is Tens"),
        (lambda path: path.write_text("text"), "does not load as a shared library"),
        (lambda path: compile_library(path, "int anything;"), "is no plugin library of yolact-deploy"),
    ],
    ids=["other sources", "unknown sources", "other major", "text", "foreign"],
)
def test_libraries_that_are_refused(
    engine: Path, tmp_path: Path, make: Callable[[Path], object], message: str, is_named: bool
) -> None:
    path = tmp_path / "mine.so" if is_named else engine.with_name(NAME)
    make(path)
    with pytest.raises(ModelFileError, match=message) as error:
        loaded(engine, path if is_named else None)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert registry_has() == []


def test_a_kept_library_that_was_changed(engine: Path) -> None:
    with kept(11, SOURCES).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelFileError, match="is not the library that was built here"):
        loaded(engine)


def test_two_libraries_in_one_process(engine: Path, there: Path, tmp_path: Path) -> None:
    other = shutil.copytree(engine.parent, tmp_path / "other") / engine.name
    shutil.copy(there, engine.parent)
    theirs = named_plugin_library(other.with_name(NAME), 11, sources=OTHER_SOURCES)
    rewrite(other, sha256=sha256_of(theirs), source_version=OTHER_SOURCES)
    loaded(engine)
    with pytest.raises(ModelFileError, match=rf"{theirs} is another plugin library than .*takes one per process"):
        loaded(other)


def test_commands_take_the_option(
    engine: Path, nano_onnx: Path, nano_weights: Path, tmp_path: Path, capsys: Captured
) -> None:
    missing, out = tmp_path / "none.so", tmp_path / "out"
    other = named_plugin_library(tmp_path / "other.so", 11, sources=OTHER_SOURCES)
    infer = ("infer", nano_weights.parent / "images", "-o", out, "-m")
    for arguments in (infer, ("compare", nano_onnx), ("bench",)):
        assert f"no such plugin library: {missing}" in fails(capsys, *arguments, engine, "--plugins", missing)
        assert "other plugin sources" in fails(capsys, *arguments, engine, "--plugins", other)
        assert "leave" in fails(capsys, *arguments, nano_onnx, "--plugins", missing)
