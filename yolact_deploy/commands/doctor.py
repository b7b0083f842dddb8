"""`yolact-deploy doctor`."""

from __future__ import annotations

from .. import console
from ..inspection.doctor import Finding, examine_machine
from .options import Json, Verbose


def run(json: Json = None, verbose: Verbose = False) -> None:
    """Report what this machine can do, and what to install for the rest."""
    console.check_target(json)
    report = examine_machine()
    if json is not None:
        abilities = [{"title": ability.title, "missing": ability.missing} for ability in report.abilities]
        console.emit_json({"findings": report.findings, "abilities": abilities}, json)
    if json == console.STDOUT:
        return
    console.show_table(
        ("what", "version", "detail, or how to install it"),
        [
            (finding.title, finding.version or "missing", finding.detail if finding.is_there else _advice(finding))
            for finding in report.findings
        ],
    )
    console.say()
    console.show_table(
        ("this machine can", "", "lacks"),
        [
            (ability.title, "yes" if ability.is_there else "no", ", ".join(ability.missing))
            for ability in report.abilities
        ],
    )


def _advice(finding: Finding) -> str:
    return f"{finding.detail}: {finding.install}" if finding.detail else finding.install
