"""`package deepstream`: a folder with the model, its configuration for nvinfer, and the sources of its parser."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ...artifacts.manifest import MANIFEST_SUFFIX, manifest_path
from ...artifacts.metadata import IMAGE_SIZE_MASKS, PLANAR_INPUTS
from ...config.model import KEEP_ASPECT
from ...errors import ConfigError, ModelFileError
from ..folders import write_folders
from ..model import ModelFile, read_model_file
from ..plugins import find_plugins
from .configuration import PARSER_LIBRARY, configuration, labels

PARSER_FOLDER = "parser"
PLUGINS = "libyolact_plugins.so"  # the name that sources/plugins.cc looks for
MAX_BATCH = 1024  # nvinfer's own limit
# What CMake and nvinfer make in the folder.
DERIVED = (PARSER_LIBRARY, f"{PARSER_FOLDER}/build/*", "model.onnx_*.engine")


@dataclass(frozen=True)
class DeepStreamOptions:
    """What to write, and how."""

    output: Path
    batch: int | None = None  # frames per call of nvinfer; None: 1, or what the file takes
    score_threshold: float = 0.3  # detections below it are left out
    plugins: Path | None = None  # None: found, where an engine needs it
    force: bool = False


@dataclass(frozen=True)
class DeepStreamPackage:
    """What was written."""

    folder: Path
    model: str  # its file's name
    batch: int
    suits: str  # where the model runs, for people
    has_plugins: bool
    tensorrt: str | None  # version that the engine was built with; None: nvinfer builds one from the ONNX file


def package_deepstream(model: Path, options: DeepStreamOptions) -> DeepStreamPackage:
    """Write the folder, whole or not at all.

    Raises YolactDeployError for a file that nvinfer cannot run, options that contradict it, and a folder that exists or
    cannot be written.
    """
    if not 0 <= options.score_threshold <= 1:
        raise ConfigError(f"score threshold {options.score_threshold}: a number from 0 to 1")
    served = read_model_file(model)
    _check_model(served)
    batch = _chosen_batch(served, options.batch)
    plugins = find_plugins(served, options.plugins)
    name = "model.onnx" if served.manifest is None else "model.engine"

    def fill(folder: Path) -> None:
        shutil.copyfile(served.path, folder / name)
        if served.manifest is not None:
            shutil.copyfile(manifest_path(served.path), folder / f"{name}{MANIFEST_SUFFIX}")
        if plugins is not None:
            shutil.copyfile(plugins, folder / PLUGINS)
        text = configuration(served, name, batch, options.score_threshold)
        (folder / "config_infer.txt").write_text(text, encoding="utf-8")
        (folder / "labels.txt").write_text(labels(served.metadata.config.class_names), encoding="utf-8")
        (folder / PARSER_FOLDER).mkdir()
        for source in (resources.files(__package__) / "sources").iterdir():
            (folder / PARSER_FOLDER / source.name).write_bytes(source.read_bytes())

    write_folders({options.output: fill}, options.force, DERIVED)
    return DeepStreamPackage(
        folder=options.output,
        model=name,
        batch=batch,
        suits=served.suits,
        has_plugins=plugins is not None,
        tensorrt=None if served.manifest is None else served.manifest.built_on.version,
    )


def _check_model(served: ModelFile) -> None:
    """Raises ModelFileError for what nvinfer cannot feed or build."""
    metadata, path = served.metadata, served.path
    if metadata.input_kind != PLANAR_INPUTS:
        raise ModelFileError(
            f"{path} takes input {metadata.input_kind}, and DeepStream gives planes from 0 to 255: export it with "
            "--input planar"
        )
    if metadata.mask_size == IMAGE_SIZE_MASKS:
        raise ModelFileError(f"{path} makes masks at the image's size: export it with --masks prototype")
    if metadata.config.resize == KEEP_ASPECT:
        raise ModelFileError(
            f"{path} pads pictures to a square with its mean colour (keep_aspect), and nvinfer pads with black: "
            "use package triton"
        )
    if served.manifest is None and metadata.precision != "fp32":
        raise ModelFileError(
            f"{path} is {metadata.precision}, and nvinfer would round boxes and scores, too, when it builds an engine: "
            "build one with `yolact-deploy build-engine`, and package that"
        )
    wanted = {name: (tensor.dtype, len(tensor.max)) for tensor in served.outputs for name in [tensor.name]}
    if wanted.get("num_detections") != ("int32", 2):
        raise ModelFileError(f"{path} lacks the output num_detections [B,1]: export it again")


def _chosen_batch(served: ModelFile, wanted: int | None) -> int:
    """Frames per call. Raises ConfigError when the file does not take so many."""
    low, high = served.input.min[0], min(served.largest_batch, MAX_BATCH)
    if wanted is None:
        return low if served.manifest is None else high
    if not low <= wanted <= high:
        takes = str(low) if low == high else f"{low} to {high}"
        raise ConfigError(f"--batch {wanted}: {served.path} takes {takes} per call; export it with --batch dynamic")
    return wanted
