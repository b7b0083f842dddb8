"""Two model files on one image: which of YOLACT's stages leaves its tolerance first, and where in it."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..artifacts.kinds import Kind, kind_of
from ..artifacts.metadata import ModelMetadata
from ..config.model import ModelConfig
from ..errors import ConfigError, ModelFileError, YolactDeployError
from ..predictor import DEVICES
from ..types import Image
from .opening import open_probe
from .probes import Probe
from .walk import Comparison, Walk, field_differences

NAMES_ALONE = ("name", "class_names")  # fields of a configuration that change no number


@dataclass(frozen=True)
class CompareOptions:
    """How to compare."""

    device: str = "cpu"  # auto, cpu or cuda, for checkpoints and ONNX files
    tolerance: float | None = None  # relative error of every stage; None: by precision, see `tolerances`
    config: ModelConfig | None = None  # of a checkpoint or a trusted engine that brings none
    trust: bool = False  # open engines without a manifest
    plugins: Path | None = None  # the plugin library for engines that use one; None: see `Predictor.open`
    class_names: tuple[str, ...] | None = None  # of both models, which change no number; None: their own
    family: str | None = None  # the code that wrote the checkpoints; None: found from their tensors


def compare_models(reference: Path, suspect: Path, image: Image, options: CompareOptions) -> Comparison:
    """Run both on `image`, uint8 [H,W,3] BGR, and walk YOLACT's stages in order.

    Raises YolactDeployError for files that cannot be used, or that are not of one configuration.
    """
    if options.tolerance is not None and not 0 <= options.tolerance < math.inf:
        raise ConfigError(f"tolerance {options.tolerance}: a number, 0 or more, relative to the reference")
    if options.device not in DEVICES:
        raise ConfigError(f"unknown device {options.device!r}: use one of {', '.join(DEVICES)}")
    if options.plugins is not None and Kind.ENGINE not in (kind_of(reference), kind_of(suspect)):
        raise YolactDeployError("--plugins is for engines, and neither file is one: leave it out")
    if options.family is not None and Kind.CHECKPOINT not in (kind_of(reference), kind_of(suspect)):
        raise YolactDeployError("--family is for checkpoints, and neither file is one: leave it out")
    with ExitStack() as stack:
        probes = []
        for path in (reference, suspect):
            probes.append(_open(path, options))
            stack.callback(probes[-1].close)
            probes[-1].metadata.with_class_names(options.class_names)  # raises for another number of classes
        _check_config_is_used((reference, suspect), options)
        _check_same_model(reference, probes[0].metadata, suspect, probes[1].metadata)
        return Walk((reference, suspect), (probes[0], probes[1]), image, options.tolerance).result()


def _open(path: Path, options: CompareOptions) -> Probe:
    return open_probe(
        path, options.device, options.config, options.trust, options.plugins, options.class_names, options.family
    )


def _check_config_is_used(paths: tuple[Path, Path], options: CompareOptions) -> None:
    """Raises YolactDeployError for a configuration that neither file takes."""
    takers = (Kind.CHECKPOINT, Kind.ENGINE) if options.trust else (Kind.CHECKPOINT,)
    if options.config is not None and not any(kind_of(path) in takers for path in paths):
        raise YolactDeployError(f"{paths[0]} brings its own configuration, as {paths[1]} does: leave out --config")


def _check_same_model(a_path: Path, a: ModelMetadata, b_path: Path, b: ModelMetadata) -> None:
    """Raises ModelFileError when the two cannot be compared."""
    if a.config.num_classes != b.config.num_classes:
        found = [f"{a.config.num_classes} classes, not {b.config.num_classes}"]
    else:
        found = field_differences(a.config, b.config, NAMES_ALONE)
    if found:
        raise ModelFileError(f"{a_path} has {found[0]} as {b_path}: compare two files of one model")
