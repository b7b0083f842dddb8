"""Install what the tests need of TensorRT's releases: `python -m tests.real_tensorrt.install`.

The Python module of TensorRT links three libraries, which PyPI does not have. Empty ones of the same names, whose
functions return null, are enough to import it: all its classes and signatures are there, nothing can be built or run.
The lean packages bring their library. Exits with status 1, after one line each, when a release could not be had.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from tests.real_tensorrt.releases import BINDINGS, REGISTRIES, Release

NO_WHEELS = (3, 14)
LIBRARIES = ("nvinfer", "nvonnxparser", "nvinfer_plugin")
FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
# What `stubgen` cannot know, because the module does not say it or says it wrong.
REPAIRS = (
    (r"^bool: DataType\n", ""),  # would be what every `-> bool` means
    (r"(channel_axis: [\w.]+)\)", r"\1 = ...)"),  # a default that its docstring forgets
    (r"^def get_plugin_registry\(.*$", "def get_plugin_registry() -> IPluginRegistry: ..."),
    (r"def get_error\(self, \*args.*$", "def get_error(self, index: int) -> ParserError: ..."),
    (r"^class IHostMemory:\n", "class IHostMemory:\n    def __buffer__(self, flags: int) -> memoryview: ...\n"),
)
ADDED = """
from typing_extensions import Buffer as buffer, CapsuleType as capsule  # their names in older docstrings
__version__: str
"""


def main() -> int:
    """Install every release that is not there yet."""
    if sys.version_info >= NO_WHEELS:
        print(
            "TensorRT's modules on PyPI are not for this Python: the tests that need them are skipped", file=sys.stderr
        )
        return 0
    failed = 0
    for release in (*BINDINGS, *REGISTRIES):
        if release.is_installed:
            continue
        shutil.rmtree(release.folder, ignore_errors=True)
        try:
            install(release)
        except (subprocess.CalledProcessError, OSError) as error:
            shutil.rmtree(release.folder, ignore_errors=True)
            output = getattr(error, "stderr", "").strip() or str(error)
            print(f"TensorRT {release.name} is not installed: {output.splitlines()[-1]}", file=sys.stderr)
            failed = 1
    return failed


def install(release: Release) -> None:
    """Raises subprocess.CalledProcessError or OSError when something is missing here."""
    prefix = f"tensorrt-{release.kind}-{release.cuda}" if release.kind else f"tensorrt-{release.cuda}"
    packages = [f"{prefix}-bindings=={release.version}"]
    if release.kind:
        packages.append(f"{prefix}-libs=={release.version}")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "1",
        "--no-deps",
    ]
    _run([*pip, "--target", str(release.modules), *packages])
    module = "tensorrt_lean_bindings" if release.kind else "tensorrt_bindings"
    (release.modules / "tensorrt.py").write_text(f"from {module} import *\nfrom {module} import __version__\n")
    if not release.kind:
        _make_libraries(release)
        _make_stubs(release)
    release.mark_installed()


def _make_libraries(release: Release) -> None:
    release.libraries.mkdir()
    source = release.libraries / "empty.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    for library in LIBRARIES:
        name = f"lib{library}.so.{release.major}"
        _run(["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(release.libraries / name), str(source)])


def _make_stubs(release: Release) -> None:
    stubgen = ["-c", "from mypy.stubgen import main; main()", "--quiet", "--inspect-mode"]
    release.run([*stubgen, "--module", "tensorrt_bindings.tensorrt", "--output", release.stubs]).check_returncode()
    path = release.stubs / "tensorrt_bindings/tensorrt.pyi"
    text = path.read_text()
    for pattern, replacement in REPAIRS:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    path.unlink()
    path.parent.rmdir()
    (release.stubs / "tensorrt.pyi").write_text(text + ADDED)


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, text=True, check=True)


if __name__ == "__main__":
    sys.exit(main())
