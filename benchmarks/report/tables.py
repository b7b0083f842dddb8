"""The tables of a report: one definition for the terminal, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence

from yolact_deploy.benchmarks.accuracy.average_precision import NOT_AVAILABLE, AveragePrecision
from yolact_deploy.benchmarks.accuracy.parity import MATCH_SCORE, POINT
from yolact_deploy.benchmarks.performance.device_times import DEVICE_REGIONS
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.regression.comparison import Change
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.table import ABSENT, MODEL, Column, Table, fixed, mib, number, percent, span
from yolact_deploy.telemetry import Watched

STAGE_TITLES = {"preprocess": "preprocess", "network": "network", "postprocess": "post-process", "masks": "masks"}
DEVICE_TITLES = {"host_to_device": "to device", "gpu": "GPU", "device_to_host": "copy to host", "enqueue": "enqueue"}
NOTHING = "NONE"  # found by a model
_LATENCIES = ("min", "p50", "p90", "p95", "p99", "max", "mean")
_AREAS = ("AP", "AP50", "AP75", "small", "medium", "large")
_POINTS = "points"


def all_tables(report: BenchReport) -> list[Table]:
    """What every report shows, in order; a table without rows is left out."""
    made = [
        summary_table(report),
        latency_table(report),
        throughput_table(report),
        arrival_table(report),
        stage_table(report),
        device_table(report),
        power_table(report),
        accuracy_table(report),
        detection_table(report),
        parity_table(report),
        comparison_table(report),
    ]
    return [table for table in made if table.rows]


def summary_table(report: BenchReport) -> Table:
    """Speed, accuracy, parity and size of each model."""
    fastest = max(model.timing.fps for model in report.models)
    columns = (
        MODEL,
        Column("FPS", full=fastest),
        Column("p50", "ms"),
        Column("found", "per image"),
        Column("box AP", full=100),
        Column("mask AP", full=100),
        Column("matched"),
        Column("gate"),
        Column("memory", "MiB"),
        Column("file", "MiB"),
    )
    rows = tuple(
        (
            model.name,
            number(model.timing.fps),
            number(model.timing.end_to_end.p50),
            found_text(model),
            ap_text(model.accuracy.box.ap),
            ap_text(model.accuracy.mask.ap),
            percent(model.parity.matches.rate) if model.parity else ABSENT,
            gate_text(model),
            mib(model.memory.peak_bytes if model.memory else None),
            mib(model.file_bytes),
        )
        for model in report.models
    )
    return Table("summary", "Summary: speed end to end, AP in points", columns, rows)


def latency_table(report: BenchReport) -> Table:
    """How the latency end to end is distributed, and how well its rounds repeat."""
    columns = (MODEL, *(Column(name) for name in _LATENCIES), Column("calls"), Column("p50 of rounds"))
    rows = tuple((model.name, *_latency_cells(model.timing.end_to_end)) for model in report.models)
    return Table("latency", "Latency end to end, ms per call", columns, rows)


def _latency_cells(latency: Latency) -> tuple[str, ...]:
    rounds = latency.rounds
    return (
        *(number(getattr(latency, name)) for name in _LATENCIES),
        str(latency.iterations),
        span(min(rounds), max(rounds)) if len(rounds) > 1 else ABSENT,
    )


def throughput_table(report: BenchReport) -> Table:
    """Images per second back to back; and the latency per call where there are several concurrent streams."""
    percentiles = _LATENCIES[1:-1]
    loads = [(model, load) for model in report.models if (load := model.timing.throughput) is not None]
    has_latency = any(load.latency for _, load in loads)
    columns = (
        MODEL,
        Column("streams"),
        Column("threads"),
        Column("images/s"),
        Column("of rounds"),
        *((Column("found"), *map(Column, percentiles)) if has_latency else ()),
    )
    rows = []
    for model, load in loads:
        cells = [model.name, str(load.streams), "default" if load.threads is None else str(load.threads)]
        cells += [number(load.fps), span(min(load.rounds), max(load.rounds)) if load.rounds else ABSENT]
        if has_latency:
            cells += [
                found_text(model),
                *(number(getattr(load.latency, name, None)) for name in percentiles),
            ]
        rows.append(tuple(cells))
    title = "Throughput back to back" + (", CPU threads per stream, ms per call" if has_latency else "")
    return Table("throughput", title, columns, tuple(rows))


def arrival_table(report: BenchReport) -> Table:
    """What becomes of frames that arrive at a fixed rate."""
    percentiles = ("p50", "p95", "p99", "max")
    names = ("FPS", "found", *percentiles, "frames", "late", "dropped")
    rows = tuple(
        (
            model.name,
            number(arrivals.fps),
            found_text(model),
            *(number(getattr(arrivals.latency, name)) for name in percentiles),
            *map(str, (arrivals.images, arrivals.late, arrivals.dropped)),
        )
        for model in report.models
        if (arrivals := model.timing.arrivals) is not None
    )
    title = f"Frames that arrive at {report.options.target_fps or 0:g} FPS, ms from arrival to result"
    return Table("arrivals", title, (MODEL, *map(Column, names)), rows)


def stage_table(report: BenchReport) -> Table:
    """Median time of each stage."""
    rows = []
    for model in report.models:
        stages: dict[str, Latency] = model.timing.stages or {}
        network = model.timing.network
        times = (number(stages[stage].p50 if stage in stages else None) for stage in STAGES)
        rows.append((model.name, *times, number(network.fps(model.timing.images_per_call) if network else None)))
    columns = (MODEL, *(Column(title) for title in STAGE_TITLES.values()), Column("network FPS"))
    return Table("stages", "Stages, median ms per call", columns, tuple(rows))


def device_table(report: BenchReport) -> Table:
    """Median times of each engine on the GPU."""
    rows = tuple(
        (
            model.name,
            *(number(getattr(model.timing.device, name).p50) for name in DEVICE_REGIONS),
            number(None if (copied := model.timing.bytes_to_host) is None else copied / 1e3),
        )
        for model in report.models
        if model.timing.device is not None
    )
    columns = (MODEL, *(Column(DEVICE_TITLES[name]) for name in DEVICE_REGIONS), Column("to host", "kB per image"))
    return Table("device", "On the GPU, median ms per call", columns, rows)


def power_table(report: BenchReport) -> Table:
    """Power, energy, temperature and clocks while each model was timed; a row for each sensor source."""
    rows = tuple(
        (model.name if index == 0 else "", *_power_cells(watched))
        for model in report.models
        for index, watched in enumerate(model.telemetry.watched if model.telemetry else ())
    )
    names = ("W", "W idle", "J/image", "images/J", "°C", "MHz", "throttled")
    columns = (MODEL, Column("source", is_text=True), *map(Column, names))
    return Table("power", "Power and temperature, end to end", columns, rows)


def _power_cells(watched: Watched) -> tuple[str, ...]:
    temperature, clock = watched.temperature, watched.clock
    clocks = span(clock.low, clock.high, 0) if clock else ABSENT
    return (
        watched.source.removeprefix("NVIDIA "),
        number(watched.power.mean if watched.power else None),
        number(watched.idle_power),
        number(watched.joules_per_image),
        number(watched.images_per_joule),
        span(temperature.low, temperature.high, 0) if temperature else ABSENT,
        f"{clocks} of {watched.max_clock:.0f}" if clock and watched.max_clock else clocks,
        ABSENT if watched.throttling is None else "YES" if watched.throttling else "no",
    )


def accuracy_table(report: BenchReport) -> Table:
    """Box and mask AP of each model, in points."""
    rows = tuple(
        (model.name if kind == "box" else "", kind, *(ap_text(value) for value in _values(precision)))
        for model in report.models
        for kind, precision in (("box", model.accuracy.box), ("mask", model.accuracy.mask))
    )
    columns = (MODEL, Column("of", is_text=True), *map(Column, _AREAS))
    return Table("accuracy", "Accuracy, COCO AP in points", columns, rows)


def detection_table(report: BenchReport) -> Table:
    """How much each model finds."""
    rows = tuple(
        (
            model.name,
            found_text(model),
            number(model.detections.confident / model.detections.images),
            f"{model.detections.images_without} of {model.detections.images}",
        )
        for model in report.models
    )
    columns = (MODEL, Column("all"), Column(f"of score >= {MATCH_SCORE:g}"), Column("images without"))
    return Table("detections", "Detections per image", columns, rows)


def parity_table(report: BenchReport) -> Table:
    """Each model against the reference."""
    names = ("box AP", "mask AP", "matched", "mask IoU", "gate")
    rows = tuple(
        (
            model.name,
            model.precision,
            fixed(model.parity.box_difference, 3, sign=True),
            fixed(model.parity.mask_difference, 3, sign=True),
            percent(model.parity.matches.rate),
            fixed(model.parity.matches.mean_mask_iou, 4),
            gate_text(model),
        )
        for model in report.models
        if model.parity is not None
    )
    title = f"Parity with {report.reference}, AP differences in points"
    return Table("parity", title, (MODEL, Column("precision", is_text=True), *map(Column, names)), rows)


def comparison_table(report: BenchReport) -> Table:
    """What changed since an older run: a row for each quantity of each model that both runs measured."""
    comparison = report.comparison
    rows = tuple(
        (model.name if index == 0 else "", f"{change.what}, {change.unit}", *_change_cells(change))
        for model in (comparison.models if comparison else ())
        for index, change in enumerate(model.changes)
    )
    names = ("old", "new", "change", "noise", "verdict")
    columns = (MODEL, Column("quantity", is_text=True), *map(Column, names))
    return Table("since", f"Since {comparison.date if comparison else ''}", columns, rows)


def _change_cells(change: Change) -> tuple[str, ...]:
    if change.is_relative:
        moved = ABSENT if change.change is None else f"{change.change:+.1%}"
        return number(change.old), number(change.new), moved, percent(change.band, 1), change.verdict
    texts = (fixed(change.old, 2), fixed(change.new, 2), fixed(change.change, 2, sign=True), fixed(change.band, 2))
    return (*texts, change.verdict)


def change_text(change: Change) -> str:
    """By how much a quantity changed, such as "+24.5%"."""
    return _change_cells(change)[2]


def found_text(model: ModelReport) -> str:
    """Detections per image: no speed means anything without it."""
    return NOTHING if model.detects_nothing else number(model.detections.per_image)


def gate_text(model: ModelReport) -> str:
    """The verdict of the parity gate in a word or two."""
    if model.is_reference:
        return "reference"
    return ABSENT if model.verdict is None else model.verdict.word


def ap_text(value: float) -> str:
    """An AP in points, ABSENT where it is not available."""
    return fixed(in_points(value), 2)


def in_points(value: float) -> float | None:
    """An AP in points; None where it is not available."""
    return None if value == NOT_AVAILABLE else value / POINT


def _values(precision: AveragePrecision) -> Sequence[float]:
    return (precision.ap, precision.ap50, precision.ap75, precision.small, precision.medium, precision.large)
