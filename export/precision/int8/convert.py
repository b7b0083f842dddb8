"""An exported fp32 graph -> the same graph with its network in int8."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.onnx_file import check_model, metadata_of, props_of
from yolact_deploy.artifacts.quantization import (
    CPU_LAYOUT,
    DEQUANTIZE,
    LAYOUTS,
    TENSORRT_LAYOUT,
    Quantization,
)
from yolact_deploy.errors import ConfigError
from yolact_deploy.export.precision.convert import check_convertible
from yolact_deploy.export.precision.half_types import HALF_TYPES
from yolact_deploy.export.precision.int8.calibration import Calibration, collect
from yolact_deploy.export.precision.int8.network_part import cut_network, with_network
from yolact_deploy.export.precision.int8.quantise import quantise
from yolact_deploy.export.precision.int8.stages import check_stages, nodes_of_stages, recipe_stages
from yolact_deploy.export.precision.int8.statistics import MINMAX, Statistics
from yolact_deploy.export.precision.int8.thresholds import METHODS
from yolact_deploy.export.precision.mixed_precision import cast_network
from yolact_deploy.files import check_output_path
from yolact_deploy.types import Advance

RESTS = ("fp32", "fp16")


@dataclass(frozen=True)
class Int8Options:
    """How to quantise."""

    layout: str = CPU_LAYOUT  # one of LAYOUTS
    method: str = MINMAX  # one of METHODS
    rest: str = "fp32"  # one of RESTS: precision of what is not int8
    kept: tuple[str, ...] = ()  # stages that stay in the precision of the rest
    recipe: str | None = None  # one of RECIPES; its stages are kept, too

    def __post_init__(self) -> None:
        """Raises ConfigError for values that do not exist or do not go together."""
        for name, value, known in (
            ("layout", self.layout, LAYOUTS),
            ("calibration method", self.method, tuple(METHODS)),
            ("precision of the rest", self.rest, RESTS),
        ):
            if value not in known:
                raise ConfigError(f"unknown {name} {value!r}: use {', '.join(known)}")
        if self.rest == "fp16" and self.layout != TENSORRT_LAYOUT:
            raise ConfigError(f"int8 with fp16 is for TensorRT: use --layout {TENSORRT_LAYOUT}, or leave out --fp16")

    def stages(self, metadata: ModelMetadata) -> tuple[str, ...]:
        """The stages that are kept. Raises ConfigError, see `check_stages`."""
        by_recipe = () if self.recipe is None else recipe_stages(self.recipe, metadata.config)
        return check_stages((*self.kept, *by_recipe), metadata.config)


@dataclass(frozen=True)
class StatisticsSource:
    """Where the statistics of a conversion come from: pictures, or a file that an earlier conversion saved."""

    calibration: Calibration | None
    file: Path | None = None  # written where there are pictures, read where there are none

    def check(self, force: bool) -> None:
        """Raises YolactDeployError for pictures and files that cannot be used, before anything runs."""
        if self.calibration is not None:
            self.calibration.find()
            if self.file is not None:
                check_output_path(self.file, force)
        elif self.file is None:
            raise ConfigError(
                "int8 needs pictures like those that the model will see: pass --calibration FOLDER, or --statistics "
                "FILE of an earlier calibration"
            )
        else:
            Statistics.read(self.file)

    @property
    def written(self) -> Path | None:
        """The file that statistics are saved to, None where none are."""
        return None if self.calibration is None else self.file

    def inputs(self) -> tuple[Path, ...]:
        """Every file that is read. Raises DataError for calibration pictures that cannot be used."""
        if self.calibration is not None:
            return self.calibration.find()
        return () if self.file is None else (self.file,)

    def obtain(self, model: onnx.ModelProto, source: object, advance: Advance) -> Statistics:
        """Calibrate the fp32 `model`, or read what was saved of it. Raises YolactDeployError."""
        metadata = metadata_of(model, source)
        if self.calibration is None:
            assert self.file is not None
            statistics = Statistics.read(self.file)
            statistics.check_model(metadata.checkpoint_sha256, source, self.file)
            return statistics
        statistics = collect(model, metadata, self.calibration, source, advance)
        if self.file is not None:
            statistics.write(self.file)
        return statistics


def convert_int8(
    model: onnx.ModelProto, statistics: Statistics, options: Int8Options, source: object
) -> onnx.ModelProto:
    """A copy of `model`, an exported fp32 file, whose network computes in int8.

    Inputs, outputs and raw outputs keep their names and types; domain nodes, function bodies and what surrounds the
    network are untouched. `source` names the model in errors. Raises YolactDeployError.
    """
    metadata = check_convertible(model, source)
    kept = options.stages(metadata)
    network = cut_network(model, source)
    parts = nodes_of_stages(network, metadata.config)
    names = {name for stage in kept for name in parts[stage]}
    quantised = quantise(network, statistics.ranges(options.method), options.layout, names, source)
    converted = with_network(model, quantised, source)
    record = Quantization(options.layout, options.method, statistics.pictures, statistics.source, options.rest, kept)
    labelled = replace(metadata, precision="int8", quantization=record)
    onnx.helper.set_model_props(converted, props_of(model) | labelled.to_props())
    if options.rest == "fp16":
        cast_network(converted, HALF_TYPES["fp16"], source)
    check_model(converted, f"{source} in int8")
    return converted


def int8_convolutions(model: onnx.ModelProto) -> tuple[int, int]:
    """How many convolutions of the network have int8 weights, and how many there are."""
    dequantised = {node.output[0] for node in model.graph.node if node.op_type == DEQUANTIZE}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv" and node.name.startswith("network/")]
    return sum(node.input[1] in dequantised for node in convolutions), len(convolutions)
