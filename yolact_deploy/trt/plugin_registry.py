"""Making the plugins known to TensorRT, which registers each of them once per process.

So the first library that is loaded serves every engine of the process, and a second one with other code is refused.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.operators import DOMAIN, FAST_NMS, MASK_ASSEMBLY, PLUGIN_VERSION
from ..dependencies import BUILD_COMMAND
from ..errors import ModelFileError
from ..files import sha256_of
from .library import TensorRTLibrary

if TYPE_CHECKING:
    import tensorrt as trt


class _FirstLibrary:
    """The plugin library that one TensorRT has in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.path: Path | None = None  # None: not loaded yet
        self.sha256 = ""


@functools.cache
def _first_library(module: Any) -> _FirstLibrary:
    return _FirstLibrary()


def load_plugins(library: TensorRTLibrary, path: Path) -> None:
    """Make the plugins of a shared library known to TensorRT, for the rest of the process.

    Loading a library with the same bytes again does nothing. Raises ModelFileError, before TensorRT sees it wherever
    that can be known, when it does not load, was compiled for another major version of TensorRT, lacks an operator, or
    another one was loaded before.
    """
    if not path.is_file():
        raise ModelFileError(f"no such plugin library: {path}")
    sha256 = sha256_of(path)
    first = _first_library(library.module)
    with first.lock:
        if first.path is None:
            _check_major(library, path)
            _register(library, path)
            first.path, first.sha256 = path, sha256
        elif sha256 != first.sha256:
            raise ModelFileError(
                f"{path} is another plugin library than {first.path}, which this process loaded before, and TensorRT "
                "takes one per process: use one library for all engines, or a process for each"
            )


def compiled_major(path: Path) -> int:
    """The major version of TensorRT whose headers a plugin library was compiled with.

    Loads it, and so runs its code. Raises ModelFileError when it does not load or is not one of ours.
    """
    try:
        loaded = ctypes.CDLL(str(path.absolute()))
    except OSError as error:
        raise ModelFileError(f"{path} does not load as a shared library ({error}): run `{BUILD_COMMAND}`") from None
    try:
        return int(loaded.yolact_plugins_tensorrt_major())
    except AttributeError:
        raise ModelFileError(f"{path} is no plugin library of yolact-deploy: `{BUILD_COMMAND}` makes one") from None


def _check_major(library: TensorRTLibrary, path: Path) -> None:
    """Interfaces moved between major versions: TensorRT would crash in a library of another one."""
    major = compiled_major(path)
    if major != library.major:
        raise ModelFileError(
            f"{path} was compiled for TensorRT {major}, here is {library.title}: run `{BUILD_COMMAND}`"
        )


def _register(library: TensorRTLibrary, path: Path) -> None:
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = library.module
    registry = trt.get_plugin_registry()
    if present := _operators(registry):
        raise ModelFileError(
            f"{path} cannot be loaded: other code in this process has registered {' and '.join(present)} already, and "
            "TensorRT takes a plugin once per process"
        )
    with library.logger.collecting() as errors:
        handle = registry.load_library(str(path.absolute()))
    if handle is None:
        raise ModelFileError(
            f"{path}: {library.title} cannot load this plugin library ({errors.reason()}): run `{BUILD_COMMAND}`"
        )
    missing = {FAST_NMS, MASK_ASSEMBLY} - set(_operators(registry))
    if missing:
        registry.deregister_library(handle)
        raise ModelFileError(f"{path} has no plugin {' and no '.join(sorted(missing))}: run `{BUILD_COMMAND}`")


def _operators(registry: trt.IPluginRegistry) -> list[str]:
    """Those of ours that are registered."""
    names = (FAST_NMS, MASK_ASSEMBLY)
    return [name for name in names if registry.get_creator(name, PLUGIN_VERSION, DOMAIN) is not None]
