"""Judging int8 while it is made: each candidate against the fp32 file on a data set."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .. import console

if TYPE_CHECKING:
    import onnx

    from ..export.precision.int8.search import Choice, Loss, Measure


def measure_of(reference: Path, data: Path) -> Measure:
    """What measures a model against the file `reference` on the data set `data`.

    Raises DataError for a data set that cannot be used.
    """
    from ..benchmarks.accuracy.against_reference import AgainstReference
    from ..export.precision.int8.search import Loss

    judge = AgainstReference(reference, data)

    def measure(model: onnx.ModelProto) -> Loss:
        with tempfile.TemporaryDirectory(prefix="yolact-int8-") as folder:
            path = Path(folder) / "candidate.onnx"
            path.write_bytes(model.SerializeToString())
            parity = judge.parity(path)
        return Loss(
            box=-(parity.box_difference or 0.0),
            mask=-(parity.mask_difference or 0.0),
            matched=1.0 if parity.matches.rate is None else parity.matches.rate,
            mask_iou=1.0 if parity.matches.mean_mask_iou is None else parity.matches.mean_mask_iou,
        )

    return measure


def show_choice(choice: Choice) -> None:
    """What each stage costs, and the models that were tried; the last one is chosen."""
    columns = ("box AP", "mask AP", "matched", "mask IoU")
    if choice.costs:
        rows = [(cost.stage, f"{cost.work:.1%}", *_cells(cost.loss)) for cost in choice.costs]
        console.show_table(("int8 alone in", "work", *columns), rows, numbers=("work", *columns))
    tried = [(", ".join(trial.kept) or "none", *_cells(trial.loss)) for trial in choice.trials]
    console.show_table(("kept in float", *columns), tried, numbers=columns)


def _cells(loss: Loss) -> tuple[str, ...]:
    return f"{-loss.box:+.2f}", f"{-loss.mask:+.2f}", f"{loss.matched:.1%}", f"{loss.mask_iou:.4f}"
