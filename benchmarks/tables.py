"""The report's tables as plain text cells, one definition for the terminal and for Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from .accuracy import NOT_AVAILABLE, AveragePrecision
from .bench import BenchReport, ModelReport
from .device_times import DEVICE_REGIONS
from .parity import Verdict
from .stages import STAGES
from .timing import Latency

ABSENT = "-"
_MIB = 1 << 20


@dataclass(frozen=True)
class TextTable:
    """Cells, the first column set flush left and the others flush right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def all_tables(report: BenchReport) -> list[TextTable]:
    """What a report shows, in order."""
    tables = [speed_table(report), stage_table(report)]
    if any(model.timing.device for model in report.models):
        tables.append(device_table(report))
    tables += [accuracy_table(report), detection_table(report)]
    return [*tables, parity_table(report)] if report.reference else tables


def speed_table(report: BenchReport) -> TextTable:
    """FPS, latency and memory of each model."""
    rows = []
    for model in report.models:
        timing, count = model.timing, model.timing.images_per_call
        network = timing.network
        rows.append(
            (
                model.name,
                f"{timing.end_to_end.fps(count):.1f}",
                *(_ms(value) for value in (timing.end_to_end.p50, timing.end_to_end.p90, timing.end_to_end.p99)),
                f"{network.fps(count):.1f}" if network else ABSENT,
                _ms(network.p50) if network else ABSENT,
                f"{model.memory.peak_bytes / _MIB:.0f}" if model.memory else ABSENT,
            )
        )
    columns = ("model", "FPS", "p50", "p90", "p99", "net FPS", "net p50", "MiB")
    return TextTable("Speed, end to end and bare network: ms, peak MiB", columns, tuple(rows))


def stage_table(report: BenchReport) -> TextTable:
    """Median time of each stage."""
    rows = []
    for model in report.models:
        stages: dict[str, Latency] = model.timing.stages or {}
        rows.append((model.name, *(_ms(stages[stage].p50) if stage in stages else ABSENT for stage in STAGES)))
    return TextTable("Stages, median ms", ("model", "preprocess", "network", "post-process", "masks"), tuple(rows))


def device_table(report: BenchReport) -> TextTable:
    """Median times of each engine on the GPU."""
    rows = tuple(
        (model.name, *(_ms(getattr(model.timing.device, name).p50) for name in DEVICE_REGIONS))
        for model in report.models
        if model.timing.device is not None
    )
    return TextTable("On the GPU, median ms", ("model", "to device", "GPU", "to host", "enqueue"), rows)


def accuracy_table(report: BenchReport) -> TextTable:
    """Box and mask AP of each model, in points."""
    rows = []
    for model in report.models:
        for kind, precision in (("box", model.accuracy.box), ("mask", model.accuracy.mask)):
            rows.append((model.name if kind == "box" else "", kind, *(ap_text(value) for value in _values(precision))))
    return TextTable("Accuracy, COCO AP", ("model", "", "AP", "AP50", "AP75", "S", "M", "L"), tuple(rows))


def detection_table(report: BenchReport) -> TextTable:
    """How much each model finds."""
    rows = tuple(
        (
            model.name,
            f"{model.detections.per_image:.1f}" if not model.detects_nothing else "NONE",
            f"{model.detections.confident / model.detections.images:.1f}",
            f"{model.detections.images_without} of {model.detections.images}",
        )
        for model in report.models
    )
    return TextTable("Detections", ("model", "an image", "of score >= 0.15", "images without"), rows)


def parity_table(report: BenchReport) -> TextTable:
    """Each model against the reference."""
    rows = tuple(_parity_row(model) for model in report.models if model.parity is not None)
    columns = ("model", "precision", "box AP", "mask AP", "matched", "mask IoU", "gate")
    return TextTable(f"Parity with {report.reference}, AP differences in points", columns, rows)


def class_table(report: BenchReport) -> TextTable:
    """Box and mask AP of each class, a column a model."""
    columns = ("class", *(f"{model.name} {kind}" for model in report.models for kind in ("box", "mask")))
    precisions = [precision for model in report.models for precision in (model.accuracy.box, model.accuracy.mask)]
    names = [name for name, _ in precisions[0].per_class]
    rows = tuple(
        (name, *(ap_text(precision.per_class[index][1]) for precision in precisions))
        for index, name in enumerate(names)
    )
    return TextTable("AP by class", columns, rows)


def ap_text(value: float) -> str:
    """An AP in points, "-" where it is not available."""
    return ABSENT if value == NOT_AVAILABLE else f"{value * 100:.2f}"


def _parity_row(model: ModelReport) -> tuple[str, ...]:
    parity = model.parity
    assert parity is not None
    iou = parity.matches.mean_mask_iou
    differences = (parity.box_difference, parity.mask_difference)
    return (
        model.name,
        model.precision,
        *(ABSENT if value is None else f"{value:+.3f}" for value in differences),
        f"{parity.matches.rate:.2%}",
        ABSENT if iou is None else f"{iou:.4f}",
        _gate_text(model.verdict),
    )


def _gate_text(verdict: Verdict | None) -> str:
    if verdict is None:
        return ABSENT
    return "pass" if verdict.passed else "FAIL"


def _values(precision: AveragePrecision) -> tuple[float, ...]:
    return (precision.ap, precision.ap50, precision.ap75, precision.small, precision.medium, precision.large)


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
