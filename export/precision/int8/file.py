"""`yolact-deploy convert-precision --int8`: from file to file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from yolact_deploy.artifacts.metadata import ModelMetadata
from yolact_deploy.artifacts.onnx_file import metadata_of, read_exported
from yolact_deploy.export.precision.convert import check_convertible
from yolact_deploy.export.precision.int8.convert import (
    Int8Options,
    StatisticsSource,
    convert_int8,
    int8_convolutions,
)
from yolact_deploy.export.precision.int8.search import Choice, Measure, choose_stages
from yolact_deploy.files import check_output_path, check_outputs, write_bytes
from yolact_deploy.types import Advance


@dataclass(frozen=True)
class Int8Request:
    """What to make."""

    options: Int8Options
    statistics: StatisticsSource
    max_ap_loss: float | None = None  # points; None: no limit, nothing is measured
    other_inputs: tuple[Path, ...] = ()  # files that must not be replaced, such as those of the data set that judges

    def check(self, model: onnx.ModelProto, source: object, force: bool) -> None:
        """Raises YolactDeployError, before anything runs, for what cannot be made of the fp32 `model`."""
        self.options.stages(check_convertible(model, source))
        self.statistics.check(force)

    def check_files(self, outputs: Sequence[Path | None], inputs: Sequence[Path | str | None]) -> None:
        """Raises OutputError when an output or the statistics file replaces what is read, or one the other."""
        read = (*inputs, *self.statistics.inputs(), *self.other_inputs)
        check_outputs([*outputs, self.statistics.written], read)

    def to_dict(self) -> dict[str, Any]:
        """For a manifest, by the names of the options; of files and folders their own names."""
        options, calibration, file = self.options, self.statistics.calibration, self.statistics.file
        pictures = (
            {} if calibration is None else {"calibration": calibration.folder.name, "images": calibration.pictures}
        )
        return {
            "method": options.method,
            **({"fp16": True} if options.rest == "fp16" else {}),
            **pictures,
            **({} if file is None else {"statistics": file.name}),
            **({"keep": list(options.kept)} if options.kept else {}),
            **({} if options.recipe is None else {"recipe": options.recipe}),
        }


@dataclass(frozen=True)
class Int8Result:
    """What was written."""

    path: Path
    metadata: ModelMetadata
    source_bytes: int
    output_bytes: int
    convolutions: tuple[int, int]  # in int8, in all
    choice: Choice | None  # how the stages in float were chosen


def convert_file_int8(
    source: Path,
    output: Path,
    request: Int8Request,
    measure: Measure | None = None,
    force: bool = False,
    advance: Advance = lambda done, total: None,
) -> Int8Result:
    """The exported fp32 file `source` in int8; the output is written whole or not at all.

    measure: judges a candidate where there is a limit to the loss. Raises YolactDeployError, before anything runs
    wherever that can be known, and GateError when the limit cannot be met.
    """
    request.check_files([output], [source])
    output = check_output_path(output, force) if source.is_file() else output
    model = read_exported(source)
    request.check(model, source, force)
    statistics = request.statistics.obtain(model, source, advance)
    choice = None
    if request.max_ap_loss is None:
        converted = convert_int8(model, statistics, request.options, source)
    else:
        assert measure is not None
        choice = choose_stages(model, statistics, request.options, request.max_ap_loss, measure, source, advance)
        converted = choice.model
    data = converted.SerializeToString()
    write_bytes(output, data)
    return Int8Result(
        path=output,
        metadata=metadata_of(converted, output),
        source_bytes=source.stat().st_size,
        output_bytes=len(data),
        convolutions=int8_convolutions(converted),
        choice=choice,
    )
