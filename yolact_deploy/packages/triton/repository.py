"""`package triton`: two models in a Triton model repository, the exported one and a front that speaks JPEG and JSON."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...artifacts.manifest import Manifest
from ...errors import ConfigError
from ..folders import write_folders
from ..model import ModelFile, read_model_file
from ..plugins import find_plugins
from .configuration import backend_of, core_configuration, front_configuration
from .front import FRONT_FILE

FRONT_SUFFIX = "_front"  # after the name of the exported model
DEFAULT_MAX_BATCH = 8
MAX_NAME_LENGTH = 200  # characters; a folder has this name, and the front's is longer
VERSION = "1"  # of both models, a folder's name
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FRONT_MODEL = '''"""Picture in, detections as JSON out: part of yolact-deploy, which Triton's Python must have."""

from yolact_deploy.packages.triton.front import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''


@dataclass(frozen=True)
class TritonOptions:
    """What to write, and how."""

    output: Path  # the model repository
    name: str | None = None  # of the exported model; None: its configuration's
    max_batch: int | None = None  # images that Triton puts together; None: DEFAULT_MAX_BATCH, or what the file takes
    score_threshold: float = 0.0  # of the front: detections below it are left out
    plugins: Path | None = None  # None: found, where an engine needs it
    force: bool = False


@dataclass(frozen=True)
class TritonPackage:
    """What was written."""

    repository: Path
    name: str
    front_name: str
    backend: str  # Triton's, of the exported model
    max_batch: int  # 0: Triton does not batch
    suits: str  # where the exported model runs, for people
    server_options: tuple[str, ...]  # that this model needs; with paths from `model_folder`
    model_folder: Path
    tensorrt: str | None  # version that the engine was built with; None: no engine


def package_triton(model: Path, options: TritonOptions) -> TritonPackage:
    """Write both models, whole or not at all.

    Raises YolactDeployError for a file that Triton cannot serve, a name that it or a file system forbids, options that
    contradict the file, and an output that exists or cannot be written.
    """
    if not 0 <= options.score_threshold <= 1:
        raise ConfigError(f"score threshold {options.score_threshold}: a number from 0 to 1")
    served = read_model_file(model)
    name = checked_name(served.metadata.config.name if options.name is None else options.name)
    front_name = name + FRONT_SUFFIX
    max_batch = chosen_batch(served, options.max_batch)
    plugins = find_plugins(served, options.plugins)
    core, front = options.output / name, options.output / front_name

    def fill_core(folder: Path) -> None:
        (folder / VERSION).mkdir()
        file = "model.onnx" if served.manifest is None else "model.plan"  # Triton's own names
        shutil.copyfile(served.path, folder / VERSION / file)
        if plugins is not None:
            shutil.copyfile(plugins, folder / plugins.name)
        (folder / "config.pbtxt").write_text(core_configuration(served, name, max_batch), encoding="utf-8")

    def fill_front(folder: Path) -> None:
        (folder / VERSION).mkdir()
        (folder / VERSION / "model.py").write_text(_FRONT_MODEL, encoding="utf-8")
        settings = json.dumps(_front_settings(served, name, max_batch), indent=2)
        (folder / VERSION / FRONT_FILE).write_text(settings + "\n", encoding="utf-8")
        configuration = front_configuration(front_name, options.score_threshold)
        (folder / "config.pbtxt").write_text(configuration, encoding="utf-8")

    write_folders({core: fill_core, front: fill_front}, options.force)
    return TritonPackage(
        repository=options.output,
        name=name,
        front_name=front_name,
        backend=backend_of(served),
        max_batch=max_batch,
        suits=served.suits,
        server_options=_server_options(served.manifest, None if plugins is None else core / plugins.name),
        model_folder=core,
        tensorrt=None if served.manifest is None else served.manifest.built_on.version,
    )


def checked_name(name: str) -> str:
    """A name that Triton takes, in a path and in a URL. Raises ConfigError for any other."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        shown = name if len(name) <= 40 else name[:40] + "..."
        raise ConfigError(
            f"{shown!r} is no name for a model in Triton: pass --name with letters, digits, _, - and . that starts "
            f"with a letter or a digit and has up to {MAX_NAME_LENGTH} characters"
        )
    return name


def chosen_batch(served: ModelFile, wanted: int | None) -> int:
    """`max_batch_size` of the model; 0 for a file that takes one number of images only.

    Raises ConfigError when `wanted` is more than the file takes.
    """
    if not served.has_open_batch:
        fixed = served.largest_batch
        if wanted is not None and wanted != fixed:
            raise ConfigError(
                f"{served.path} takes {fixed} image{'s' if fixed > 1 else ''} per call: leave out --max-batch, or "
                "export it with --batch dynamic"
            )
        return 0
    if wanted is not None and not 1 <= wanted <= served.largest_batch:
        raise ConfigError(
            f"--max-batch {wanted}: {served.path} takes 1 to {served.largest_batch} images per call"
            if served.manifest is not None
            else f"--max-batch {wanted}: 1 or more"
        )
    return min(DEFAULT_MAX_BATCH, served.largest_batch) if wanted is None else wanted


def _front_settings(served: ModelFile, name: str, max_batch: int) -> Mapping[str, object]:
    """What the front reads when it starts: which model it calls, how many images at a time, and what that gives."""
    return {
        "calls": name,
        "input": served.input.name,
        "batch": None if max_batch else served.largest_batch,
        "model": served.metadata.to_props(),
    }


def _server_options(manifest: Manifest | None, plugins: Path | None) -> tuple[str, ...]:
    options = []
    if plugins is not None:
        options.append(f"--backend-config=tensorrt,plugins={plugins}")
    if manifest is not None and manifest.version_compatible:
        options.append("--backend-config=tensorrt,version-compatible=true")
    return tuple(options)
