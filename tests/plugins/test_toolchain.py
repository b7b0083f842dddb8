"""What `build-plugins` says when something is missing or wrong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from yolact_deploy.errors import ConfigError, MissingDependencyError, ModelFileError, YolactDeployError
from yolact_deploy.machine import GpuInfo
from yolact_deploy.trt import plugin_build, plugin_toolchain
from yolact_deploy.trt.plugin_build import read_usage
from yolact_deploy.trt.plugin_library import LibraryRecord, find_library, library_path, read_record, write_record
from yolact_deploy.trt.plugin_toolchain import Nvcc, choose_architectures, cmake_architectures, find_headers, find_nvcc

NVCC = Nvcc(Path("/cuda/bin/nvcc"), "13.0", (75, 80, 86, 87, 89, 90, 100, 110, 120), Path("/cuda"))


@pytest.fixture
def empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No tools, no packages, no TensorRT; returns a folder that is the whole PATH."""
    for name in ("CUDACXX", "CUDA_HOME", "TENSORRT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(plugin_toolchain, "CUDA_HOME", tmp_path / "cuda")
    monkeypatch.setattr(plugin_toolchain, "SYSTEM_INCLUDES", ())
    monkeypatch.setattr(plugin_toolchain, "_package_folders", lambda name: [])
    monkeypatch.setattr(plugin_toolchain, "sys", SimpleNamespace(executable=str(tmp_path / "python")))
    return tmp_path


def add_headers(folder: Path, major: int = 10) -> Path:
    folder.mkdir(parents=True)
    (folder / "NvInferRuntime.h").write_text("")
    (folder / "NvInferVersion.h").write_text(
        f"#define TRT_MAJOR {major}\n#define NV_TENSORRT_MAJOR TRT_MAJOR //!< TensorRT major version.\n"
        "#define NV_TENSORRT_MINOR 3\n#define NV_TENSORRT_PATCH 0\n"
    )
    return folder


def test_without_nvcc(empty_machine: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"needs nvcc: .* pip install \"yolact-deploy\[plugins\]\""):
        find_nvcc()


def test_a_script_as_nvcc(empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = empty_machine / "my-nvcc"
    script.write_text("#!/bin/sh\necho 'Cuda compilation tools, release 12.6, V12.6.1'\n")
    script.chmod(0o755)
    monkeypatch.setenv("CUDACXX", str(script))
    assert (find_nvcc().path, find_nvcc().version) == (script, "12.6")


def test_without_headers(empty_machine: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"needs TensorRT's headers: .* --tensorrt-include"):
        find_headers()


def test_a_folder_without_headers(empty_machine: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no NvInferRuntime\.h in it"):
        find_headers(empty_machine)


def test_headers_without_a_version(empty_machine: Path) -> None:
    folder = add_headers(empty_machine / "include")
    (folder / "NvInferVersion.h").write_text("#define NV_TENSORRT_MAJOR UNKNOWN\n")
    with pytest.raises(ConfigError, match="does not say its version"):
        find_headers(folder)
    (folder / "NvInferVersion.h").unlink()
    with pytest.raises(ConfigError, match="name a complete folder"):
        find_headers(folder)


def test_headers_of_tensorrt_root(empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = add_headers(empty_machine / "TensorRT/include/aarch64-linux-gnu")
    monkeypatch.setenv("TENSORRT_ROOT", str(empty_machine / "TensorRT"))
    headers = find_headers()
    assert (headers.folder, headers.version, headers.major) == (folder, "10.3.0", 10)


def test_headers_of_another_major_version(empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_toolchain, "load_tensorrt", lambda runtime: SimpleNamespace(version="11.4.1"))
    folder = add_headers(empty_machine / "include")
    with pytest.raises(YolactDeployError, match=r"are of TensorRT 10\.3\.0, installed here is 11\.4\.1: pass"):
        find_headers(folder)


def test_architectures() -> None:
    assert choose_architectures("89, 87,87", NVCC) == (87, 89)
    assert cmake_architectures((87, 89)) == ("87-real", "89-real", "89-virtual")


@pytest.mark.parametrize("asked", ["", "88", "87,", "sm_87", "8.7", "-1", "87;touch x"])
def test_unknown_architectures(asked: str) -> None:
    with pytest.raises(ConfigError, match="is unknown: use 75,80,86,87,89,90,100,110,120"):
        choose_architectures(asked, NVCC)


def test_an_architecture_that_nvcc_does_not_know() -> None:
    old = Nvcc(NVCC.path, "12.6", (75, 80, 86, 87, 89, 90), NVCC.root)
    with pytest.raises(ConfigError, match=r"nvcc 12\.6 .* cannot compile for 110"):
        choose_architectures("87,110", old)


def test_the_gpu_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise YolactDeployError("no GPU")

    monkeypatch.setattr(plugin_toolchain, "open_backend", fails)
    monkeypatch.setattr(plugin_toolchain, "gpu_from_driver", lambda: GpuInfo("Orin", "8.7"))
    assert choose_architectures(None, NVCC) == (87,)
    monkeypatch.setattr(plugin_toolchain, "gpu_from_driver", lambda: None)
    with pytest.raises(YolactDeployError, match="no GPU is found here: name what to compile for, such as --arch 87"):
        choose_architectures(None, NVCC)


def test_what_does_not_compile(toolchain: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler's first error in one line, the rest in a file; nothing else is left."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/CMakeLists.txt").write_text('message(FATAL_ERROR "no such thing")\n')
    monkeypatch.setattr(plugin_build, "SOURCES", tmp_path / "sources")
    output = tmp_path / "out/libplugins.so"
    with pytest.raises(YolactDeployError, match=r"the plugins do not compile \(CMake Error .*\): all of it is in"):
        plugin_build.build_plugins("87", output=output)
    assert [path.name for path in output.parent.iterdir()] == ["libplugins.log"]
    assert "no such thing" in output.with_suffix(".log").read_text()


def test_usage_of_other_compilers_is_left_out() -> None:
    assert read_usage("ptxas info : Compiling entry function 'x' for 'sm_87'\nnothing else\n") == ()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A library in the user's cache, without a record."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = library_path(10)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"code")
    return path


def test_a_library_without_a_record_is_foreign(kept: Path) -> None:
    with pytest.raises(ModelFileError, match=r"has no record of its build .*: run `yolact-deploy build-plugins`"):
        find_library(10)
    assert find_library(11) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"architectures": ["87-real"], "other": 1}'])
def test_damaged_records(kept: Path, text: str) -> None:
    kept.with_name(kept.name + ".json").write_text(text)
    with pytest.raises(ModelFileError, match="has no record of its build"):
        read_record(kept)


def test_a_library_that_is_not_the_recorded_one(kept: Path) -> None:
    write_record(kept, LibraryRecord("0" * 64, "10.3.0", "12.6", ("87-real", "87-virtual"), "0"))
    with pytest.raises(ModelFileError, match="is not the library that was built here"):
        find_library(10)


@pytest.mark.parametrize(
    ("architectures", "capability", "fits"),
    [
        (("87-real",), "8.7", True),
        (("80-real",), "8.6", True),
        (("86-real",), "8.0", False),
        (("86-real",), "9.0", False),
        (("86-real", "86-virtual"), "12.0", True),
        (("120-real", "120-virtual"), "8.7", False),
    ],
)
def test_which_gpus_a_library_runs_on(architectures: tuple[str, ...], capability: str, fits: bool) -> None:
    record = LibraryRecord("", "10.3.0", "12.6", architectures, "0")
    assert record.runs_on(GpuInfo("some GPU", capability)) is fits
