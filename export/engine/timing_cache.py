"""Measured kernel times, kept between builds: a second build of a similar network is much faster.

TensorRT for RTX measures nothing at build time and has no such cache.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yolact_deploy.errors import OutputError
from yolact_deploy.files import make_output_folder, user_cache, write_bytes
from yolact_deploy.machine import GpuInfo
from yolact_deploy.trt.library import TensorRTLibrary

if TYPE_CHECKING:
    import tensorrt as trt


@dataclass(frozen=True)
class TimingCache:
    """The cache of one build."""

    path: Path
    native: trt.ITimingCache

    def save(self) -> str | None:
        """Keep what this build added. Returns a note when that failed: the engine is none the worse."""
        try:
            make_output_folder(self.path.parent)
            write_bytes(self.path, bytes(memoryview(self.native.serialize())))
        except OutputError as error:
            return f"the timing cache was not kept: {error}"
        return None


def default_path(library: TensorRTLibrary, gpu: GpuInfo | None) -> Path:
    """Where measurements of this library, version and GPU are kept."""
    where = "unknown-gpu" if gpu is None else f"{gpu.name}-{gpu.compute_capability}"
    name = re.sub(r"[^\w.]+", "-", f"{library.runtime}-{library.version}-{where}").lower()
    return user_cache() / "timing" / f"{name}.cache"


def attach_timing_cache(
    library: TensorRTLibrary, config: trt.IBuilderConfig, path: Path | None, gpu: GpuInfo | None
) -> TimingCache | None:
    """Give `config` the cache at `path` (default: by library and GPU); None for a library that has none.

    A cache of ours that the library does not take counts as empty. Raises OutputError for a file at `path` that it
    does not take: it may be something else, and would be replaced.
    """
    if library.is_rtx:
        return None
    named, path = path is not None, path or default_path(library, gpu)
    data = b""
    with contextlib.suppress(OSError):
        data = path.read_bytes()
    cache = config.create_timing_cache(data)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        if named and data:
            raise OutputError(f"{path} is no timing cache of this {library.title}: remove it, or name another file")
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return TimingCache(path, cache)
