"""A benchmark as JUnit XML, which CI systems show as tests: a test for each gate, and hints as output."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from yolact_deploy.benchmarks.report.model import BenchReport, ModelReport
from yolact_deploy.benchmarks.report.wording import accuracy_summary, hint_lines, summary
from yolact_deploy.console import MADE_BY, visible

JUNIT_MARK = f'<testsuites name="{MADE_BY} bench"'


def to_junit(report: BenchReport) -> str:
    """One suite per model: whether it detects anything, and its parity; and one for --max-slowdown."""
    root = ET.Element("testsuites", name=f"{MADE_BY} bench")
    for model in report.models:
        _add_suite(root, visible(model.name), _model_tests(report, model))
    if report.comparison is not None and report.comparison.max_slowdown is not None:
        _add_suite(root, "speed", [("max-slowdown", list(report.comparison.failures), "")])
    out = ET.SubElement(root[0], "system-out")
    out.text = "\n".join(
        visible(line) for line in (accuracy_summary(report), summary(report), *hint_lines(report)) if line
    )
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


Test = tuple[str, list[str], str]  # name, what failed, and why it was skipped


def _model_tests(report: BenchReport, model: ModelReport) -> list[Test]:
    tests: list[Test] = []
    if model.detects_nothing:
        tests.append(("detections", [], f"nothing found on {model.detections.images} images"))
    else:
        tests.append(("detections", [], ""))
    if model.verdict is not None:
        reasons = [f"not judged: {model.verdict.not_judged}"] if model.verdict.not_judged else []
        tests.append(("parity", [*model.verdict.failures, *reasons], ""))
    else:
        tests.append(("parity", [], "the reference" if model.is_reference else summary(report)))
    return tests


def _add_suite(root: ET.Element, name: str, tests: list[Test]) -> None:
    failed = sum(bool(failures) for _, failures, _ in tests)
    skipped = sum(bool(reason) for _, _, reason in tests)
    counts = {"tests": str(len(tests)), "failures": str(failed), "skipped": str(skipped), "errors": "0"}
    suite = ET.SubElement(root, "testsuite", {"name": name, **counts})
    for test, failures, reason in tests:
        case = ET.SubElement(suite, "testcase", {"classname": name, "name": test})
        if failures:
            ET.SubElement(case, "failure", message=visible("; ".join(failures))).text = visible("; ".join(failures))
        elif reason:
            ET.SubElement(case, "skipped", message=visible(reason))
