"""The report's tables as plain text cells, one definition for the terminal and for Markdown."""

from __future__ import annotations

from yolact_deploy.benchmarks.accuracy.average_precision import NOT_AVAILABLE, AveragePrecision
from yolact_deploy.benchmarks.accuracy.parity import Verdict
from yolact_deploy.benchmarks.performance.device_times import DEVICE_REGIONS
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.report.comparison_table import comparison_table
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.text_table import ABSENT, TextTable
from yolact_deploy.telemetry import words

_MIB = 1 << 20
_DISTRIBUTION = ("min", "p50", "p90", "p95", "p99", "max", "mean", "calls")


def all_tables(report: BenchReport) -> list[TextTable]:
    """What a report shows, in order."""
    tables = [speed_table(report), latency_table(report)]
    if any(model.timing.throughput and model.timing.throughput.latency for model in report.models):
        tables.append(stream_table(report))
    if any(model.timing.arrivals for model in report.models):
        tables.append(arrival_table(report))
    tables.append(stage_table(report))
    if any(model.timing.device for model in report.models):
        tables.append(device_table(report))
    if words.rows(report.telemetry):
        tables.append(power_table(report))
    tables += [accuracy_table(report), detection_table(report)]
    if report.reference:
        tables.append(parity_table(report))
    return [*tables, comparison_table(report.comparison)] if report.comparison else tables


def speed_table(report: BenchReport) -> TextTable:
    """FPS, what is found at this speed, throughput, latency and memory of each model."""
    rows = []
    for model in report.models:
        timing = model.timing
        network, throughput = timing.network, timing.throughput
        rows.append(
            (
                model.name,
                f"{timing.fps:.1f}",
                found_text(model),
                f"{throughput.fps:.1f}" if throughput else ABSENT,
                _ms(timing.end_to_end.p50),
                _ms(timing.end_to_end.p99),
                f"{network.fps(timing.images_per_call):.1f}" if network else ABSENT,
                _ms(network.p50) if network else ABSENT,
                f"{model.memory.peak_bytes / _MIB:.0f}" if model.memory else ABSENT,
            )
        )
    columns = ("model", "FPS", "found", "images/s", "p50", "p99", "net FPS", "net p50", "MiB")
    return TextTable("Speed, end to end and bare network: ms, peak MiB", columns, tuple(rows))


def latency_table(report: BenchReport) -> TextTable:
    """How the latency end to end is distributed."""
    rows = tuple((model.name, *_distribution(model.timing.end_to_end)) for model in report.models)
    return TextTable("Latency end to end, ms a call", ("model", *_DISTRIBUTION), rows)


def stream_table(report: BenchReport) -> TextTable:
    """Models with several callers at the same time."""
    rows = tuple(
        (
            model.name,
            f"{load.streams} x {'default' if load.threads is None else load.threads}",
            f"{load.fps:.1f}",
            found_text(model),
            *_distribution(load.latency)[1:-2],
        )
        for model in report.models
        if (load := model.timing.throughput) is not None and load.latency is not None
    )
    columns = ("model", "callers", "images/s", "found", *_DISTRIBUTION[1:-2])
    return TextTable("Several callers at the same time, callers x CPU threads, ms a call", columns, rows)


def arrival_table(report: BenchReport) -> TextTable:
    """What becomes of frames that arrive at a fixed rate."""
    rows = tuple(
        (
            model.name,
            f"{arrivals.fps:.1f}",
            found_text(model),
            *(_ms(getattr(arrivals.latency, name)) for name in ("p50", "p95", "p99", "max")),
            str(arrivals.images),
            str(arrivals.late),
            str(arrivals.dropped),
        )
        for model in report.models
        if (arrivals := model.timing.arrivals) is not None
    )
    columns = ("model", "FPS", "found", "p50", "p95", "p99", "max", "frames", "late", "dropped")
    return TextTable(f"Frames that arrive at {report.options.target_fps:g} FPS, ms from arrival", columns, rows)


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


def power_table(report: BenchReport) -> TextTable:
    """What the machine said of itself while each model was timed, a row for each of its sources."""
    return TextTable(words.TITLE, words.COLUMNS, words.rows(report.telemetry))


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
            found_text(model),
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


def found_text(model: ModelReport) -> str:
    """Detections an image: no speed means anything without it."""
    return "NONE" if model.detects_nothing else f"{model.detections.per_image:.1f}"


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


def _distribution(latency: Latency) -> tuple[str, ...]:
    """A cell for each of _DISTRIBUTION."""
    return (*(_ms(getattr(latency, name)) for name in _DISTRIBUTION[:-1]), str(latency.iterations))


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
