"""Which plugin library an engine runs with. Only these are ever loaded, the first one that fits:

1. the one that the user names, and then no other;
2. the one beside the engine, with the file name that the manifest has;
3. the one that `build-plugins` made here for this major version of TensorRT.

It fits when it is the library of the manifest byte for byte, or was compiled from the same sources, and for the major
version of TensorRT that is here. A folder in a manifest is never followed.
"""

from __future__ import annotations

from pathlib import Path

from ..artifacts.manifest import Manifest, PluginRecord
from ..dependencies import BUILD_COMMAND
from ..errors import ModelFileError
from ..files import sha256_of
from .library import TensorRTLibrary
from .plugin_library import find_library, library_path, read_origin
from .plugin_registry import check_major


def find_engine_plugins(engine: Path, manifest: Manifest, library: TensorRTLibrary, named: Path | None) -> Path | None:
    """The plugin library for `engine`; None when it needs none. named: that of the user.

    Raises ModelFileError with what is wrong with the first library that was found, and the command that helps.
    """
    wanted = manifest.plugins
    if wanted is None:
        return None
    if named is not None:
        _check_fits(named, engine, manifest, wanted, library)
        return named
    name = Path(wanted.name).name
    kept = library_path(library.major)
    refusals = []
    for path in places(engine, name, library.major):
        if not path.is_file():
            continue
        try:
            if path == kept:
                find_library(library.major)  # still the one that was built here
            _check_fits(path, engine, manifest, wanted, library)
            return path
        except ModelFileError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]
    raise ModelFileError(
        f"{engine} needs the plugin library {name!r}, which is neither beside it nor at {kept}: copy it there, name it "
        f"with --plugins, or run `{BUILD_COMMAND}`"
    )


def places(engine: Path, name: str, tensorrt_major: int) -> tuple[Path, Path]:
    """Where a library of this file name is looked for when the user names none."""
    return engine.parent / name, library_path(tensorrt_major)


def _check_fits(path: Path, engine: Path, manifest: Manifest, wanted: PluginRecord, library: TensorRTLibrary) -> None:
    origin = read_origin(path)
    check_major(library, path, origin)
    is_same_source = origin.source_version != "" and origin.source_version == wanted.source_version
    if not is_same_source and sha256_of(path) != wanted.sha256:
        raise ModelFileError(
            f"{path} was compiled from other plugin sources ({origin.source_version or 'unknown'}) than {engine} was "
            f"built with ({wanted.source_version or 'unknown'}): run `{BUILD_COMMAND}`, then `{manifest.command}`"
        )
