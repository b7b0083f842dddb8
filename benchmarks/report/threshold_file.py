"""The file of score thresholds that `infer`, `Predictor.open` and `export` read: class name -> score."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from yolact_deploy import console
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.errors import DataError, listed
from yolact_deploy.files import write_json


def threshold_field(report: BenchReport) -> str:
    """Which of a class's thresholds is written: what was demanded, else the best F1."""
    if report.options.at_precision is not None:
        return "at_precision"
    return "best_f1" if report.options.at_recall is None else "at_recall"


def chosen_thresholds(report: BenchReport) -> tuple[dict[str, float], list[str]]:
    """Score by the model's class name, and the classes that have none: not reached, or no object to tell by."""
    model = _model(report)
    if model.judgement is None:
        return {}, []
    field, found, lacking = threshold_field(report), {}, []
    for name, item in zip(model.judgement.class_names, model.judgement.thresholds, strict=True):
        chosen = getattr(item, field)
        if chosen is None:
            lacking.append(name)
        else:
            found[name] = float(str(np.float32(chosen.score)))  # in the fewest digits that still are this score
    return found, lacking


def write_thresholds(path: Path, report: BenchReport) -> None:
    """Write the file; classes without a score are left out, and said. Raises DataError when no class has one,
    OutputError."""
    found, lacking = chosen_thresholds(report)
    if not found:
        raise DataError(f"no thresholds to write to {path}: no class reaches what was demanded")
    write_json(path, found)
    if lacking:
        console.warn(f"{path} has no threshold for {listed(lacking)}: not reached, or no objects to tell by")


def _model(report: BenchReport) -> ModelReport:
    """The one model beside the reference, or the only one."""
    return next((model for model in report.models if not model.is_reference), report.models[0])
