"""Tables about speed, load and power. A model that was not timed has no row."""

from __future__ import annotations

from yolact_deploy.benchmarks.performance.device_times import DEVICE_REGIONS
from yolact_deploy.benchmarks.performance.pipeline_stages import STAGES, Timing
from yolact_deploy.benchmarks.performance.timing import Latency
from yolact_deploy.benchmarks.report.cells import DEVICE_TITLES, STAGE_TITLES, found_text
from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.table import ABSENT, MODEL, Column, Table, number, span
from yolact_deploy.telemetry import Watched

_LATENCIES = ("min", "p50", "p90", "p95", "p99", "max", "mean")


def timed(report: BenchReport) -> list[tuple[ModelReport, Timing]]:
    """The models that were timed."""
    return [(model, model.timing) for model in report.models if model.timing is not None]


def latency_table(report: BenchReport) -> Table:
    """How the latency end to end is distributed, and how well its rounds repeat."""
    columns = (MODEL, *(Column(name) for name in _LATENCIES), Column("calls"), Column("p50 of rounds"))
    rows = tuple((model.name, *_latency_cells(timing.end_to_end)) for model, timing in timed(report))
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
    loads = [(model, load) for model, timing in timed(report) if (load := timing.throughput) is not None]
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
        for model, timing in timed(report)
        if (arrivals := timing.arrivals) is not None
    )
    title = f"Frames that arrive at {report.options.target_fps or 0:g} FPS, ms from arrival to result"
    return Table("arrivals", title, (MODEL, *map(Column, names)), rows)


def stage_table(report: BenchReport) -> Table:
    """Median time of each stage."""
    rows = []
    for model, timing in timed(report):
        stages: dict[str, Latency] = timing.stages or {}
        network = timing.network
        times = (number(stages[stage].p50 if stage in stages else None) for stage in STAGES)
        rows.append((model.name, *times, number(network.fps(timing.images_per_call) if network else None)))
    columns = (MODEL, *(Column(title) for title in STAGE_TITLES.values()), Column("network FPS"))
    return Table("stages", "Stages, median ms per call", columns, tuple(rows))


def device_table(report: BenchReport) -> Table:
    """Median times of each engine on the GPU."""
    rows = tuple(
        (
            model.name,
            *(number(getattr(timing.device, name).p50) for name in DEVICE_REGIONS),
            number(None if (copied := timing.bytes_to_host) is None else copied / 1e3),
        )
        for model, timing in timed(report)
        if timing.device is not None
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
