"""docs/judge.md: each planted fault is named by the hint that stands below its command."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.conftest import NANO_WEIGHTS, ROOT
from tests.running import Captured
from yolact_deploy import cli
from yolact_deploy.benchmarks.scripts import plant_fault

PAGE = ROOT / "docs/judge.md"
_CASE = re.compile(r"plant_fault (\w+) (\S+)\n(yolact-deploy bench .*)\n```\n\n((?:> .*\n)+)")


def cases() -> list[tuple[str, str, str, str]]:
    """Fault, folder, command line and hint, as they stand on the page."""
    found = _CASE.findall(PAGE.read_text(encoding="utf-8"))
    return [(*head, " ".join(line.removeprefix("> ") for line in quoted.splitlines())) for *head, quoted in found]


def test_every_fault_stands_on_the_page() -> None:
    assert sorted(fault for fault, *_ in cases()) == sorted(plant_fault.FAULTS)


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, marks=[] if fault == "names" else pytest.mark.slow) for fault in plant_fault.FAULTS]
)
def test_the_commands_of_the_page_give_its_hints(
    fault: str, nano_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(nano_onnx, "model.onnx")
    shutil.copy(NANO_WEIGHTS, NANO_WEIGHTS.name)
    (case,) = (case for case in cases() if case[0] == fault)
    _, folder, line, hint = case
    assert plant_fault.main([fault, folder]) == 0
    assert plant_fault.main([fault, folder]) == 2  # nothing is overwritten
    capsys.readouterr()
    assert cli.run([*shlex.split(line)[1:], "--device", "cpu"]) == 0
    hints = [line for line in capsys.readouterr().out.splitlines() if line.startswith("hint: ")]
    without_numbers = re.compile(r"\d+(\.\d+)?%?")
    assert [without_numbers.sub("", item) for item in hints] == [without_numbers.sub("", hint)]
