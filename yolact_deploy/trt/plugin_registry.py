"""Making the plugins known to TensorRT, which registers each of them once per process.

So the first library that is loaded serves every engine of the process, and a second one from other sources is refused.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..artifacts.operators import DOMAIN, FAST_NMS, MASK_ASSEMBLY, PLUGIN_VERSION
from ..dependencies import BUILD_COMMAND
from ..errors import ModelFileError
from ..files import sha256_of
from .library import TensorRTLibrary
from .plugin_library import LibraryOrigin, read_origin

if TYPE_CHECKING:
    import tensorrt as trt


class _FirstLibrary:
    """The plugin library that one TensorRT has in this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.path: Path | None = None  # None: not loaded yet
        self.sha256 = ""
        self.source_version = ""


@functools.cache
def _first_library(module: Any) -> _FirstLibrary:
    return _FirstLibrary()


def load_plugins(library: TensorRTLibrary, path: Path) -> None:
    """Make the plugins of a shared library known to TensorRT, for the rest of the process.

    Loading the same library again, or one that was compiled from the same sources, does nothing. Raises ModelFileError,
    before TensorRT sees it wherever that can be known, when it does not load, was compiled for another major version
    of TensorRT, lacks an operator, or one from other sources was loaded before.
    """
    if not path.is_file():
        raise ModelFileError(f"no such plugin library: {path}")
    sha256 = sha256_of(path)
    first = _first_library(library.module)
    with first.lock:
        if sha256 == first.sha256:
            return
        origin = read_origin(path)
        check_major(library, path, origin)
        if first.path is None:
            _register(library, path)
            first.path, first.sha256, first.source_version = path, sha256, origin.source_version
        elif not origin.source_version or origin.source_version != first.source_version:
            raise ModelFileError(
                f"{path} is another plugin library than {first.path}, which this process loaded before, and TensorRT "
                "takes one per process: use one library for all engines, or a process for each"
            )


def check_major(library: TensorRTLibrary, path: Path, origin: LibraryOrigin) -> None:
    """Interfaces moved between major versions: TensorRT would crash in a library of another one.

    Raises ModelFileError.
    """
    if origin.tensorrt_major != library.major:
        raise ModelFileError(
            f"{path} was compiled for TensorRT {origin.tensorrt_major}, here is {library.title}: run `{BUILD_COMMAND}`"
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
