"""What a report says in sentences: verdicts, alarms, notes, and what each measured region contains."""

from __future__ import annotations

from yolact_deploy.benchmarks.performance.device_times import DEVICE_REGIONS
from yolact_deploy.benchmarks.performance.load import LOAD_REGIONS
from yolact_deploy.benchmarks.performance.pipeline_stages import REGIONS, STAGES
from yolact_deploy.benchmarks.regression.comparison import NO_CHANGE, SUMMARISED, UNKNOWN, WIDE_BAND, Change, Comparison
from yolact_deploy.benchmarks.report.cells import DEVICE_TITLES, STAGE_TITLES, ap_text
from yolact_deploy.benchmarks.report.judge_wording import judge_definitions
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.speed_tables import timed
from yolact_deploy.benchmarks.report.tables import change_text
from yolact_deploy.telemetry import Watched


def summary(report: BenchReport) -> str:
    """The outcome of the parity gate in one line."""
    judged = [model for model in report.models if model.verdict is not None]
    failed = [model.name for model in judged if model.verdict is not None and model.verdict.failures]
    if failed:
        return f"parity: FAIL ({', '.join(failed)})"
    reasons = [
        f"{model.name}: {model.verdict.not_judged}" for model in judged if model.verdict and model.verdict.not_judged
    ]
    if reasons:
        return f"parity: not judged ({'; '.join(reasons)})"
    if not judged:
        if not report.options.measures_accuracy:
            return "parity: not judged (--no-accuracy)"
        missing = (
            "no reference: pass --reference CHECKPOINT"
            if report.reference is None
            else "only the reference was measured"
        )
        return f"parity: not judged ({missing})"
    return f"parity: pass ({len(judged)} compared with {report.reference})"


def accuracy_summary(report: BenchReport) -> str:
    """How good each model is, in one line; empty where that was not measured."""
    parts = []
    for model in report.models:
        if model.accuracy is None or model.judgement is None:
            continue
        total, hints = model.judgement.errors.total, model.judgement.hints
        causes = ", ".join(dict.fromkeys(hint.cause for hint in hints))
        parts.append(
            f"{model.name}: box AP {ap_text(model.accuracy.box.ap)}, mask AP {ap_text(model.accuracy.mask.ap)}, "
            f"{total.found} of {total.objects} objects found at score {model.judgement.errors.score:g}"
            + (f"; look at: {causes}" if hints else "")
        )
    return "; ".join(parts)


def hint_lines(report: BenchReport) -> list[str]:
    """What may be the cause of errors, a line each; the models are named where there are several."""
    by_text: dict[str, list[str]] = {}
    for model in report.models:
        for hint in model.judgement.hints if model.judgement else ():
            by_text.setdefault(f"{hint.cause}: {hint.text}", []).append(model.name)
    several = len(report.models) > 1
    return [(f"{', '.join(names)}: " if several else "") + text for text, names in by_text.items()]


def failures(report: BenchReport) -> list[str]:
    """Why a gate failed, a line each; empty when all passed."""
    slower = report.comparison.failures if report.comparison else ()
    return [*(() if report.has_parity else (summary(report),)), *slower]


def comparison_summary(comparison: Comparison) -> str:
    """What changed, in one line. Stages and memory are left to the table."""
    found = []
    for model in comparison.models:
        changed = [change for change in model.changes if change.what in SUMMARISED and change.verdict != NO_CHANGE]
        if changed:
            found.append(f"{model.name} {', '.join(map(_change_in_words, changed))}")
    return f"since {comparison.date}: {'; '.join(found) or NO_CHANGE}"


def _change_in_words(change: Change) -> str:
    """ "end to end slower (+24.5%)"."""
    if change.verdict == UNKNOWN:
        return f"{change.what} unknown (too few rounds)"
    return f"{change.what} {change.verdict} ({change_text(change)})"


def alarms(report: BenchReport) -> list[str]:
    """What nobody should overlook: models that find nothing, every criterion that is not met, throttling."""
    lines = [
        f"{model.name} DETECTS NOTHING on all {model.detections.images} images: its speed and parity mean nothing"
        for model in report.models
        if model.detects_nothing
    ]
    for model in report.models:
        if model.verdict is not None:
            reasons = [f"parity not judged: {model.verdict.not_judged}"] if model.verdict.not_judged else []
            lines += [f"{model.name}: {line}" for line in (*model.verdict.failures, *reasons)]
    lines += [
        f"{model.name} ran throttled ({'; '.join(model.telemetry.throttling)}): its times are not typical"
        for model in report.models
        if model.telemetry and model.telemetry.throttling
    ]
    return lines + list(report.comparison.failures if report.comparison else ())


def facts(report: BenchReport) -> list[str]:
    """What was measured, on what, and what to know of it; a line each."""
    lines = [f"data: {report.data}"]
    lines += [
        f"{model.name}: {model.description}, {model.precision}, input {model.input_kind}" for model in report.models
    ]
    lines += report.hardware.lines()
    by_note: dict[str, list[str]] = {}
    for model in report.models:
        for note in model.notes:
            by_note.setdefault(note, []).append(model.name)
    lines += [f"{', '.join(names)}: {note}" for note, names in by_note.items()]
    lines += comparison_notes(report.comparison) if report.comparison else []
    return [*lines, *report.notes]


def definitions(report: BenchReport) -> list[str]:
    """What the numbers of the tables mean, a line each."""
    lines = [*judge_definitions(report), *speed_definitions(report)]
    lines.append("found: detections per image, in the whole data set")
    if report.comparison:
        lines.append(
            f"since: {report.comparison.source}; noise: the spread of the rounds of both runs, or what any two runs "
            "differ by; a smaller change is called no change"
        )
    return lines


def speed_definitions(report: BenchReport) -> list[str]:
    """What was timed, and how; nothing with --no-speed."""
    if not timed(report):
        return []
    first = timed(report)[0][1].end_to_end
    lines = [f"end to end: {REGIONS['end_to_end']}; images are decoded before"]
    lines += [f"{STAGE_TITLES[name]}: {REGIONS[name]}" for name in STAGES]
    lines += stage_notes(report)
    if any(timing.device for _, timing in timed(report)):
        lines += [f"{DEVICE_TITLES[name]}: {region}" for name, region in DEVICE_REGIONS.items()]
    lines.append(
        f"FPS: images per second at the median; {first.iterations} calls end to end in {len(first.rounds)} rounds that "
        f"go from model to model, after {report.options.warmup} warm-up calls"
    )
    lines += load_definitions(report)
    lines.append("memory: peak resident memory of a process that only runs the model, libraries included")
    watched = [watched for model in report.models if model.telemetry for watched in model.telemetry.watched]
    return lines + list(dict.fromkeys(watched_text(item) for item in watched))


def load_definitions(report: BenchReport) -> list[str]:
    """What throughput and arriving frames are."""
    lines = [f"images/s: {LOAD_REGIONS['throughput']}"]
    loaded = [timing.throughput for _, timing in timed(report) if timing.throughput]
    if any(throughput.latency for throughput in loaded):
        lines.append("streams: concurrent callers, each with its own model instance")
    if any(timing.arrivals for _, timing in timed(report)):
        lines.append(f"arriving frames: {LOAD_REGIONS['arrivals']}")
    return lines


def stage_notes(report: BenchReport) -> list[str]:
    """How the stages of the models were run, and what a call is."""
    by_note: dict[str, list[str]] = {}
    for model, timing in timed(report):
        count = timing.images_per_call
        batch = [f"takes {count} images per call: latencies are per call, FPS counts images"] if count > 1 else []
        for note in (timing.stages_note, *batch):
            by_note.setdefault(note, []).append(model.name)
    return [f"{', '.join(names)}: {note}" for note, names in by_note.items() if note]


def watched_text(watched: Watched) -> str:
    """Where the numbers of the power table come from."""
    parts = (
        f"read by {watched.tool}",
        watched.power_mode,
        watched.power_of and f"power of {watched.power_of}",
        watched.idle_power is not None and f"{watched.idle_power:.1f} W when idle",
        watched.energy_from and f"energy from {watched.energy_from}, idle power included",
    )
    return f"{watched.source}: {', '.join(part for part in parts if part)}"


def comparison_notes(comparison: Comparison) -> list[str]:
    """What hides changes, what only one run has, and why the two may not be comparable."""
    lines = [f"only in the older run: {name}" for name in comparison.only_old]
    lines += [f"not in the older run: {name}" for name in comparison.only_new]
    for model in comparison.models:
        band = model.changes[0].band
        if band is not None and band > (comparison.max_slowdown or WIDE_BAND):
            lines.append(
                f"{model.name}: noise hides changes end to end below {band:.0%}: pass more --repeats, or use an idle "
                "machine"
            )
    warnings = [*comparison.warnings, *(warning for model in comparison.models for warning in model.warnings)]
    return lines + [f"may not be comparable: {warning}" for warning in warnings]
