"""What calibration saw of each tensor, in a file that is data and no code; and the ranges that follow from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from yolact_deploy.errors import ModelFileError
from yolact_deploy.export.precision.int8.thresholds import METHODS, Range
from yolact_deploy.files import write_text

FORMAT = "1"  # of the file; grows when a reader of this version could misread one
MINMAX = "minmax"  # needs no histogram


@dataclass(frozen=True)
class TensorStatistics:
    """One tensor over all pictures."""

    minimum: float
    maximum: float
    # int64 [BINS]: counts over -m..m in equal bins, m the larger magnitude of the two; None: not collected
    histogram: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Statistics:
    """What calibration saw."""

    checkpoint_sha256: str  # of the model
    pictures: int
    source: str  # name of the folder that they came from
    tensors: Mapping[str, TensorStatistics]

    def ranges(self, method: str) -> dict[str, Range]:
        """The range of each tensor that int8 is to cover, by one of METHODS.

        Raises ModelFileError when the method needs histograms and there are none.
        """
        if method != MINMAX and any(tensor.histogram is None for tensor in self.tensors.values()):
            raise ModelFileError(
                f"the statistics were collected without histograms, which {method} needs: use {MINMAX}, or calibrate "
                f"again with --calibration FOLDER --method {method}"
            )
        choose = METHODS[method]
        return {name: choose(item.minimum, item.maximum, item.histogram) for name, item in self.tensors.items()}

    def check_model(self, checkpoint_sha256: str, source: object, path: object) -> None:
        """Raises ModelFileError when the model `source` was made from another checkpoint."""
        if checkpoint_sha256 != self.checkpoint_sha256:
            raise ModelFileError(
                f"{path} holds the statistics of another model than {source} (checkpoint sha256 "
                f"{self.checkpoint_sha256[:12]}, not {checkpoint_sha256[:12]}): calibrate again with --calibration"
            )

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all. Raises OutputError."""
        tensors = {
            name: {
                "minimum": item.minimum,
                "maximum": item.maximum,
                "histogram": None if item.histogram is None else item.histogram.tolist(),
            }
            for name, item in self.tensors.items()
        }
        values = {"yolact_deploy.statistics": FORMAT, **vars(self), "tensors": tensors}
        write_text(path, json.dumps(values) + "\n")

    @classmethod
    def read(cls, path: Path) -> Statistics:
        """The inverse of `write`. Raises ModelFileError when the file is missing, damaged or no such file."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["yolact_deploy.statistics"] != FORMAT:
                raise ValueError(f"format {values['yolact_deploy.statistics']}")
            return cls(
                checkpoint_sha256=str(values["checkpoint_sha256"]),
                pictures=int(values["pictures"]),
                source=str(values["source"]),
                tensors={str(name): _tensor(item) for name, item in values["tensors"].items()},
            )
        except OSError as error:
            raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            reason = f"{type(error).__name__}: {str(error)[:100]}"
            raise ModelFileError(f"{path} holds no calibration statistics ({reason}): calibrate again") from None


def _tensor(values: Any) -> TensorStatistics:
    low, high = float(values["minimum"]), float(values["maximum"])
    if not -np.inf < low <= high < np.inf:
        raise ValueError(f"a range of {low} to {high}")
    counts = values["histogram"]
    if counts is None:
        return TensorStatistics(low, high)
    histogram = np.array(counts, dtype=np.int64)
    if histogram.ndim != 1 or histogram.size == 0 or histogram.min() < 0:
        raise ValueError("a histogram that is none")
    return TensorStatistics(low, high, histogram)
