"""The plugin library that goes into a package, beside the engine that was built with it."""

from __future__ import annotations

from pathlib import Path

from ..artifacts.manifest import PluginRecord
from ..dependencies import BUILD_COMMAND
from ..errors import ModelFileError
from ..files import sha256_of
from ..trt.engine_plugins import places
from ..trt.plugin_library import read_origin
from .model import ModelFile


def find_plugins(served: ModelFile, named: Path | None) -> Path | None:
    """The library for an engine; None when it needs none. named: that of the user, and then no other is looked for.

    It fits when it is the library of the manifest byte for byte, or was compiled from the same sources for the same
    major version of TensorRT. Raises ModelFileError when there is none that fits, or one is named and none needed.
    """
    manifest = served.manifest
    wanted = None if manifest is None else manifest.plugins
    if manifest is None or wanted is None:
        if named is not None:
            raise ModelFileError(f"{served.path} uses no plugin library: leave out --plugins")
        return None
    major = int(manifest.built_on.version.partition(".")[0])
    name = Path(wanted.name).name
    looked = (named,) if named is not None else places(served.path, name, major)
    for path in looked:
        if path.is_file() and _fits(path, wanted, major):
            return path
    found = [str(path) for path in looked if path.is_file()]
    if found:
        raise ModelFileError(
            f"{found[0]} is not the plugin library that {served.path} was built with: run `{BUILD_COMMAND}`, then "
            f"`{manifest.command}`"
        )
    raise ModelFileError(
        f"{served.path} needs the plugin library {name!r}, which is not at "
        f"{' or '.join(map(str, looked))}: copy it there, or name it with --plugins"
    )


def _fits(path: Path, wanted: PluginRecord, major: int) -> bool:
    if sha256_of(path) == wanted.sha256:
        return True
    if not wanted.source_version:
        return False
    origin = read_origin(path)
    return origin.tensorrt_major == major and origin.source_version == wanted.source_version
