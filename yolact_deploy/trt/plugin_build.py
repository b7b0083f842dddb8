"""Compiling the TensorRT plugins of `plugins/` with CMake and nvcc."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .._version import __version__
from ..errors import OutputError, YolactDeployError
from ..files import atomic_path, check_output_path, check_report_target, sha256_of, write_text
from .plugin_library import ORIGIN_SYMBOL, RECORD_MARK, LibraryRecord, library_path, record_path, write_record
from .plugin_toolchain import Nvcc, choose_architectures, cmake_architectures, find_headers, find_nvcc, find_tool

SOURCES = Path(__file__).parent.parent / "plugins"
LIBRARY = "libyolact_plugins.so"
MAX_REASON = 300  # characters of a compiler's message
LOG_TITLE = "# build of yolact-deploy's plugins"
LOG_MARKS = (LOG_TITLE, "-- The CXX compiler identification is")  # the second: before logs had a title


@dataclass(frozen=True)
class KernelUsage:
    """What ptxas says of one kernel for one GPU."""

    kernel: str  # as in the source, such as "filter_kernel<float>"
    architecture: str  # such as "sm_87"
    registers: int  # a thread
    shared_bytes: int  # a block, without what is asked for at launch
    stack_bytes: int
    spill_bytes: int  # stored and loaded again


@dataclass(frozen=True)
class PluginBuild:
    """What was compiled."""

    path: Path
    record: LibraryRecord
    usage: tuple[KernelUsage, ...]


def build_plugins(
    architectures: str | None = None,
    tensorrt_include: Path | None = None,
    output: Path | None = None,
    strict: bool = False,
    listener: Callable[[str], None] = lambda line: None,
) -> PluginBuild:
    """Compile the plugin library and put it, and a record of it, into the user's cache or at `output`.

    architectures: such as "87,89"; None: the GPU here. strict: warnings, and registers that spill, are
    errors. listener: hears the lines that CMake and compilers print.

    Raises MissingDependencyError when nvcc, headers, CMake or a C++ compiler are missing, ConfigError for an unknown
    architecture, YolactDeployError with the first reason when it does not compile, OutputError.
    """
    nvcc = find_nvcc()
    headers = find_headers(tensorrt_include)
    wanted = cmake_architectures(choose_architectures(architectures, nvcc))
    find_tool("c++", "sudo apt install g++")
    path = output or library_path(headers.major)
    _check_replaceable(path)
    with tempfile.TemporaryDirectory(prefix="yolact-plugins-") as folder:
        settings = {
            "TENSORRT_INCLUDE": headers.folder.resolve(),
            "CMAKE_CUDA_COMPILER": nvcc.path,
            "CMAKE_CUDA_ARCHITECTURES": ";".join(wanted),
            "WARNINGS_AS_ERRORS": "ON" if strict else "OFF",
        }
        log = _compile(Path(folder), settings, _environment(nvcc), _log_path(path), listener)
        with atomic_path(path) as part:
            shutil.copyfile(Path(folder) / LIBRARY, part)
    record = LibraryRecord(sha256_of(path), headers.version, nvcc.version, wanted, __version__)
    write_record(path, record)
    return PluginBuild(path, record, read_usage(log))


def _environment(nvcc: Nvcc) -> dict[str, str]:
    """This process's, and where the linker finds what nvcc does not look for."""
    if nvcc.library_folder is None:
        return dict(os.environ)
    known = os.environ.get("LIBRARY_PATH")
    return {**os.environ, "LIBRARY_PATH": f"{nvcc.library_folder}{os.pathsep + known if known else ''}"}


def _compile(
    folder: Path,
    settings: Mapping[str, object],
    environment: dict[str, str],
    log_path: Path,
    listener: Callable[[str], None],
) -> str:
    """Configure and build in `folder`; returns what was printed."""
    cmake = find_tool("cmake", "sudo apt install cmake, or pip install cmake")
    defined = [f"-D{name}={value}" for name, value in settings.items()]
    configure = [cmake, "-S", SOURCES.resolve(), "-B", folder, *defined]
    build = [cmake, "--build", folder, "--parallel", str(os.cpu_count() or 1)]
    log = ""
    for command in (configure, build):
        status, output = _run([str(word) for word in command], environment, listener)
        log += output
        if status != 0:
            write_text(log_path, f"{LOG_TITLE}\n{log}")
            raise YolactDeployError(f"the plugins do not compile ({_first_error(output)}): all of it is in {log_path}")
    return log


def _run(command: list[str], environment: dict[str, str], listener: Callable[[str], None]) -> tuple[int, str]:
    lines = []
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # so that the compilers that it starts can be ended with it
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                listener(line.rstrip())
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, "".join(lines)


def _log_path(library: Path) -> Path:
    """Where the compilers' lines are kept when they fail."""
    return library.with_suffix(".log")


def _check_replaceable(library: Path) -> None:
    """Raises OutputError when the library, or a file beside it, cannot be written or is another one than we write."""
    check_output_path(library, force=True)
    if library.exists() and ORIGIN_SYMBOL.encode() not in library.read_bytes():
        raise OutputError(
            f"{library} exists and is no plugin library of yolact-deploy: name another file with --output"
        )
    check_report_target(record_path(library), (RECORD_MARK,), force=None)
    check_report_target(_log_path(library), LOG_MARKS, force=None)


def _first_error(output: str) -> str:
    lines = [" ".join(line.split()) for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|cannot find|fatal", line, re.IGNORECASE)]
    return (errors or lines or ["no reason given"])[0][:MAX_REASON]


def read_usage(log: str) -> tuple[KernelUsage, ...]:
    """The kernels' needs from the output of `ptxas -v`, in the order of the log."""
    usage = []
    blocks = re.split(r"ptxas info\s*: Compiling entry function ", log)[1:]
    for block in blocks:
        name = re.match(r"'(\w+)' for '(\w+)'", block)
        stack = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", block)
        used = re.search(r"Used (\d+) registers([^\n]*)", block)
        if name is None or stack is None or used is None:
            continue
        shared = re.search(r"(\d+) bytes smem", used[2])
        usage.append(
            KernelUsage(
                kernel=_readable_kernel(name[1]),
                architecture=name[2],
                registers=int(used[1]),
                shared_bytes=int(shared[1]) if shared else 0,
                stack_bytes=int(stack[1]),
                spill_bytes=int(stack[2]) + int(stack[3]),
            )
        )
    return tuple(usage)


def _readable_kernel(mangled: str) -> str:
    """Such as "filter_kernel<half>"; the mangled name where it has another form."""
    match = re.search(r"\d+([a-z_]+_kernel)I(f|6__half)E", mangled)
    return f"{match[1]}<{'float' if match[2] == 'f' else 'half'}>" if match else mangled
