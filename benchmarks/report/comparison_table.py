"""What changed since an older run, as a table and in words."""

from __future__ import annotations

from yolact_deploy.benchmarks.accuracy.parity import POINT
from yolact_deploy.benchmarks.regression.comparison import NO_CHANGE, UNKNOWN, Change, Comparison
from yolact_deploy.benchmarks.report.text_table import ABSENT, TextTable

WIDE_BAND = 0.2  # of which is warned where no gate says what matters


def comparison_table(comparison: Comparison) -> TextTable:
    """A row for each quantity of each model that both runs measured."""
    rows = tuple(
        (model.name if index == 0 else "", *_cells(change))
        for model in comparison.models
        for index, change in enumerate(model.changes)
    )
    columns = ("model", "", "unit", "old", "new", "change", "noise", "verdict")
    return TextTable(f"Since {comparison.date}", columns, rows)


def comparison_summary(comparison: Comparison) -> str:
    """What changed, in one line. Stages and memory are left to the table."""
    found = []
    for model in comparison.models:
        changed = [change for change in model.of_the_whole if change.verdict != NO_CHANGE]
        if changed:
            found.append(f"{model.name} {', '.join(_in_words(change) for change in changed)}")
    return f"since {comparison.date}: {'; '.join(found) or NO_CHANGE}"


def _in_words(change: Change) -> str:
    """ "end to end slower (+24.5%)"."""
    if change.verdict == UNKNOWN:
        return f"{change.what} unknown (too few rounds)"
    return f"{change.what} {change.verdict} ({_cells(change)[4]})"


def comparison_lines(comparison: Comparison) -> list[str]:
    """How to read the table, and what to know of the two runs."""
    how = (
        f"since: {comparison.source}; noise: what the spread of both runs' rounds and the difference between any two "
        "runs explain (99 %); a smaller change is called no change"
    )
    return [how, *comparison_notes(comparison)]


def comparison_notes(comparison: Comparison) -> list[str]:
    """What hides changes, what only one run has, and why the two may not be comparable."""
    lines = _waiting_lines(comparison)
    lines += [f"only in the older run: {name}" for name in comparison.only_old]
    lines += [f"not in the older run: {name}" for name in comparison.only_new]
    for model in comparison.models:
        band = model.changes[0].band
        if band is not None and band > (comparison.max_slowdown or WIDE_BAND):
            lines.append(
                f"{model.name}: noise hides changes end to end below {band:.0%}: "
                "more --repeats, or a machine with nothing else to do, shows them"
            )
    warnings = [*comparison.warnings, *(warning for model in comparison.models for warning in model.warnings)]
    return lines + [f"not the same as then: {warning}" for warning in warnings]


def _waiting_lines(comparison: Comparison) -> list[str]:
    """Which models waited for cores, so that the times compared are not those that were measured."""
    return [
        f"{model.name}: other processes had the cores that it needed for {first.waited[0]:.0%} of the time then, "
        f"{first.waited[1]:.0%} now; the times compared are without that"
        for model in comparison.models
        if (first := model.changes[0]).has_waited and first.waited is not None
    ]


def _cells(change: Change) -> tuple[str, ...]:
    if change.is_relative:
        numbers = tuple(f"{value:.2f}" for value in (change.old, change.new))
        difference = ABSENT if change.change is None else f"{change.change:+.1%}"
        band = ABSENT if change.band is None else f"{change.band:.1%}"
        return (change.what, change.unit, *numbers, difference, band, change.verdict)
    old, new, points, noise = (
        value / POINT for value in (change.old, change.new, change.change or 0, change.band or 0)
    )
    return (change.what, "points", f"{old:.2f}", f"{new:.2f}", f"{points:+.2f}", f"{noise:.2f}", change.verdict)
