"""Where a benchmark's reports go: checked before anything is measured, written after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yolact_deploy import console
from yolact_deploy.artifacts.manifest import manifest_path
from yolact_deploy.benchmarks.accuracy.layout import find_layout
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.report.html.write import JSON_MARKS, check_report_folder, write_report
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.junit import JUNIT_MARK, to_junit
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.step_summary import append_step_summary, is_step_summary
from yolact_deploy.benchmarks.report.text import MARKDOWN_TITLE, to_markdown
from yolact_deploy.benchmarks.report.threshold_file import write_thresholds
from yolact_deploy.errors import YolactDeployError
from yolact_deploy.files import check_output_path, check_outputs, check_report_target

_REPORT_SUFFIXES = (".json", ".md", ".html")


def files_read(options: BenchOptions) -> list[Path]:
    """The files that a benchmark reads, whether they exist or not."""
    models = [*options.models, *((options.reference,) if options.reference else ())]
    beside = [path for model in models for path in (manifest_path(model), model.with_name(model.name + ".data"))]
    found = [*models, *beside, *filter(None, (options.compare, options.plugins))]
    layout = find_layout(options.data_folder, options.annotations)
    found.append(layout.annotations)
    # An earlier report may lie among the images.
    return found + [path for path in layout.files_below() if path.suffix.lower() not in _REPORT_SUFFIXES]


@dataclass(frozen=True)
class ReportTargets:
    """What to write. None: not asked for; "-": standard output."""

    json: str | None = None
    markdown: str | None = None
    folder: Path | None = None
    junit: str | None = None
    thresholds: Path | None = None
    force: bool = False  # whether files that are not our reports may be replaced

    def check_demands(self, options: BenchOptions) -> None:
        """Make sure that what is to be written will be measured. Raises YolactDeployError."""
        if self.thresholds is None:
            return
        if not options.measures_accuracy:
            raise YolactDeployError("--write-thresholds needs annotations: leave out --no-accuracy")
        if options.at_precision is not None and options.at_recall is not None:
            raise YolactDeployError("--write-thresholds: give --at-precision or --at-recall, not both")
        others = [model for model in options.models if model != options.reference]
        if len(set(others or options.models)) > 1:
            raise YolactDeployError("--write-thresholds is about one model: name one, beside the reference")

    def check(self, inputs: Sequence[Path]) -> None:
        """Make sure that all of it can be written and that none of it is among `inputs`. Raises OutputError."""
        outputs = [
            check_report_target(target, marks, self.force)
            for target, marks in (
                (self.json, JSON_MARKS),
                (self.markdown, (MARKDOWN_TITLE,)),
                (self.junit, (JUNIT_MARK,)),
            )
            if target not in (None, console.STDOUT) and not is_step_summary(target)
        ]
        if self.thresholds is not None:
            outputs.append(check_output_path(self.thresholds, self.force))
        outputs += [] if self.folder is None else check_report_folder(self.folder, self.force)
        check_outputs(outputs, inputs)

    def write(self, report: BenchReport, command: str) -> list[str]:
        """Write all of it, and return the paths of what has more than the terminal shows. Raises OutputError.

        command: the command line that made the report.
        """
        if self.json is not None:
            console.emit_json(to_json(report), self.json)
        if is_step_summary(self.markdown):
            append_step_summary(to_markdown(report))
        elif self.markdown is not None:
            console.emit_text(to_markdown(report), self.markdown)
        if self.junit is not None:
            console.emit_text(to_junit(report), self.junit)
        if self.thresholds is not None:
            write_thresholds(self.thresholds, report)
        page = [] if self.folder is None else [str(write_report(self.folder, report, command))]
        return [
            *page,
            *(
                str(path)
                for path in (self.markdown, self.json, self.junit, self.thresholds)
                if path not in (None, console.STDOUT)
            ),
        ]
