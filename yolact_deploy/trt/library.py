"""TensorRT 10.3 to 11.x and TensorRT for RTX behind one object: what differs between them is decided here.

Enum values move between major versions, so flags are always made from their names. Nothing is imported before
`load_tensorrt` is called.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..dependencies import INSTALL_LINES
from ..errors import MissingDependencyError, YolactDeployError
from ..machine import is_jetson, runtime_title

if TYPE_CHECKING:
    import tensorrt as trt

RUNTIMES = ("tensorrt", "tensorrt-rtx")
MODULES = {"tensorrt": ("tensorrt",), "tensorrt-rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings")}  # first found wins
OLDEST = (10, 3)  # of TensorRT: JetPack 6.1

LOGGER_NAME = "yolact_deploy.tensorrt"

_logger = logging.getLogger(LOGGER_NAME)
_logger.addHandler(logging.NullHandler())  # or Python prints what nobody asked for


@dataclass(frozen=True)
class TensorRTLibrary:
    """One loaded library."""

    runtime: str  # one of RUNTIMES
    module: Any  # `tensorrt`, or the module of TensorRT for RTX, which has the same names

    @property
    def version(self) -> str:
        """Such as "10.3.0"."""
        return str(self.module.__version__)

    @property
    def major(self) -> int:
        """The first number of the version."""
        return int(self.version.partition(".")[0])

    @property
    def title(self) -> str:
        """Name and version for people."""
        return f"{runtime_title(self.runtime)} {self.version}"

    @property
    def is_rtx(self) -> bool:
        """Whether this is TensorRT for RTX: builds without a GPU, takes no plugins, has no timing cache."""
        return self.runtime == "tensorrt-rtx"

    @property
    def logger(self) -> MessageLog:
        """The one logger of this library in this process: TensorRT keeps the first that it sees."""
        return _message_log(self.module)

    def member(self, enum: str, name: str) -> Any | None:
        """A member of one of the library's enums, None where this version has no such name."""
        return getattr(getattr(self.module, enum, None), name, None)

    def network_flags(self) -> int:
        """Strong typing: asked for in 10.x, where it is a choice; the flag is gone or implied elsewhere."""
        flag = self.member("NetworkDefinitionCreationFlag", "STRONGLY_TYPED")
        return 0 if flag is None else 1 << int(flag)

    def compute_capabilities(self) -> dict[str, Any]:
        """The compute capabilities that a build can name, such as "8.6"; empty where it builds for the GPU here."""
        members = getattr(getattr(self.module, "ComputeCapability", None), "__members__", {})
        found = ((re.fullmatch(r"SM(\d+)(\d)", name), member) for name, member in members.items())
        return {f"{match[1]}.{match[2]}": member for match, member in found if match is not None}

    def load_standard_plugins(self) -> None:
        """Make the plugins that come with TensorRT known: an ONNX DeformConv becomes one. Raises nothing."""
        load = getattr(self.module, "init_libnvinfer_plugins", None)
        if load is not None:
            load(self.logger.native, "")

    def does_not_start(self, errors: Errors) -> YolactDeployError:
        """The error for a builder or runtime that is null."""
        return YolactDeployError(
            f"{self.title} does not start ({errors.reason()}): it needs an NVIDIA GPU and its driver here, see "
            "`yolact-deploy doctor`"
        )

    def refuses(self, option: str) -> YolactDeployError:
        """The error for an option that this library does not have."""
        return YolactDeployError(f"{option} is not supported by {self.title}: leave it out")


def load_tensorrt(runtime: str = "auto") -> TensorRTLibrary:
    """Load a library: tensorrt, tensorrt-rtx, or auto for the first of these that loads.

    Raises MissingDependencyError with the line that installs it on this machine, YolactDeployError when it is too old
    or `runtime` is unknown.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise YolactDeployError(f"unknown runtime {runtime!r}: use auto, {' or '.join(RUNTIMES)}")
    broken = ""
    for kind in RUNTIMES if runtime == "auto" else (runtime,):
        for name in MODULES[kind]:
            module, reason = _import(name)
            if module is not None:
                return _checked(TensorRTLibrary(kind, module))
            broken = broken or reason
    if broken:
        raise MissingDependencyError(broken)
    raise MissingDependencyError(_install_advice(runtime))


def installed_runtimes() -> dict[str, str]:
    """Version by runtime of each library that loads here."""
    found = {}
    for kind in RUNTIMES:
        with contextlib.suppress(YolactDeployError):
            found[kind] = load_tensorrt(kind).version
    return found


def _import(name: str) -> tuple[ModuleType | None, str]:
    """The module, or None and, when it is installed but does not load, why."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        return None, "" if missing == name else f"{name} is installed but lacks {missing}: install it again"
    except Exception as error:  # its loader raises what it likes when a shared library is missing
        return None, f"{name} is installed but does not load ({' '.join(str(error).split())}): install it again"
    # Type stubs leave a folder of that name behind, which Python imports as an empty package.
    return (module, "") if hasattr(module, "Builder") else (None, "")


def _checked(library: TensorRTLibrary) -> TensorRTLibrary:
    numbers = tuple(int(number) for number in re.findall(r"\d+", library.version)[:2])
    if not library.is_rtx and numbers < OLDEST:
        raise YolactDeployError(
            f"{library.title} is too old: use {OLDEST[0]}.{OLDEST[1]} or newer (on a Jetson: JetPack 6.1 or newer)"
        )
    return library


def _install_advice(runtime: str) -> str:
    rtx = f"{runtime_title('tensorrt-rtx')} (RTX cards; builds without a GPU): {INSTALL_LINES['tensorrt_rtx']}"
    if runtime == "tensorrt-rtx":
        return f"{rtx.partition(' (')[0]} is not installed: {INSTALL_LINES['tensorrt_rtx']}"
    if is_jetson():
        return (
            "TensorRT is not installed: on a Jetson it comes with JetPack: sudo apt install nvidia-jetpack, then a "
            "virtual environment made with --system-site-packages"
        )
    line = "TensorRT is not installed: pip install tensorrt (any recent NVIDIA GPU)"
    return line if runtime == "tensorrt" else f"{line}; or {rtx}"


class Errors:
    """What a library called errors while one block of code ran."""

    def __init__(self) -> None:
        self._of_the_block: list[str] = []
        self._of_helpers: list[str] = []

    def add(self, message: str, from_helper: bool = False) -> None:
        """from_helper: from a thread of the library's own, which may have worked for another block."""
        (self._of_helpers if from_helper else self._of_the_block).append(message)

    @property
    def messages(self) -> list[str]:
        """All of them, the block's own first."""
        return [*self._of_the_block, *self._of_helpers]

    def reason(self, otherwise: str = "no reason given; -v shows its log") -> str:
        """The first, for a person."""
        return readable(self.messages[0]) if self.messages else otherwise


class MessageLog:
    """What a library says: everything to Python's `logging`, errors also to the block of code that caused them."""

    def __init__(self, module: Any) -> None:
        self._lock = threading.Lock()
        self._collecting: dict[int, Errors] = {}  # by thread: TensorRT says most of what it says in its caller's
        log = self

        class Listener(module.ILogger):
            def __init__(self) -> None:
                module.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                log.receive(severity.name, message)

        self.native: trt.ILogger = Listener()

    def receive(self, severity: str, message: str) -> None:
        """Called by the library, from any thread."""
        is_error = severity.endswith("ERROR")
        if is_error:
            self._add(message)
        levels = {"WARNING": logging.WARNING, "INFO": logging.INFO}
        # Errors too are for the log only: the caller turns them into one line.
        _logger.log(logging.WARNING if is_error else levels.get(severity, logging.DEBUG), "%s", message)

    def _add(self, message: str) -> None:
        with self._lock:
            mine = self._collecting.get(threading.get_ident())
            if mine is not None:
                mine.add(message)
                return
            for errors in self._collecting.values():
                errors.add(message, from_helper=True)

    @contextlib.contextmanager
    def collecting(self) -> Iterator[Errors]:
        """The errors of the block, apart from those of other threads' blocks; blocks of one thread do not nest."""
        errors, thread = Errors(), threading.get_ident()
        with self._lock:
            self._collecting[thread] = errors
        try:
            yield errors
        finally:
            with self._lock:
                del self._collecting[thread]


@functools.cache
def _message_log(module: Any) -> MessageLog:
    return MessageLog(module)


def shape_of(dims: trt.Dims) -> tuple[int, ...]:
    """A shape as plain numbers, -1 where it is open. (`Dims` has a length and an index, but no iterator.)"""
    return tuple(int(dims[index]) for index in range(len(dims)))


def readable(message: str) -> str:
    """A library's error in one short line, without the places in its source code."""
    text = " ".join(message.split())
    text = re.sub(r"^I\w+::\w+: ", "", text)
    text = re.sub(r"^\[[\w.]+::\w+::\d+\] ", "", text)
    text = re.sub(r" ?\b(In|at) \w+ at /[^\s)]+:\d+", "", text)
    text = re.sub(r"\[\w+\.cpp:\d+: (\w+)\] ", r"\1: ", text)
    text = re.sub(r"Assertion failed: \([^:]*\): ", "", text)
    return text if len(text) <= 300 else f"{text[:297]}..."
