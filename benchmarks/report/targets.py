"""Where a benchmark's reports go: checked before anything is measured, written after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yolact_deploy import console
from yolact_deploy.artifacts.manifest import manifest_path
from yolact_deploy.benchmarks.accuracy.dataset import ANNOTATION_FILE, bundled_nano
from yolact_deploy.benchmarks.options import BenchOptions
from yolact_deploy.benchmarks.report.html.write import JSON_MARKS, check_report_folder, write_report
from yolact_deploy.benchmarks.report.json_report import to_json
from yolact_deploy.benchmarks.report.model import BenchReport
from yolact_deploy.benchmarks.report.text import MARKDOWN_TITLE, to_markdown
from yolact_deploy.files import check_outputs, check_report_target, files_below

_REPORT_SUFFIXES = (".json", ".md", ".html")


def files_read(options: BenchOptions) -> list[Path]:
    """The files that a benchmark reads, whether they exist or not."""
    models = [*options.models, *((options.reference,) if options.reference else ())]
    beside = [path for model in models for path in (manifest_path(model), model.with_name(model.name + ".data"))]
    found = [*models, *beside, *filter(None, (options.compare, options.plugins))]
    folder = options.data or bundled_nano().folder
    found.append(folder / ANNOTATION_FILE)
    # An earlier report may lie among the images.
    return found + [path for path in files_below(folder) if path.suffix.lower() not in _REPORT_SUFFIXES]


@dataclass(frozen=True)
class ReportTargets:
    """What to write. None: not asked for; "-": standard output."""

    json: str | None = None
    markdown: str | None = None
    folder: Path | None = None
    force: bool = False  # whether files that are not our reports may be replaced

    def check(self, inputs: Sequence[Path]) -> None:
        """Make sure that all of it can be written and that none of it is among `inputs`. Raises OutputError."""
        outputs = [
            check_report_target(target, marks, self.force)
            for target, marks in ((self.json, JSON_MARKS), (self.markdown, (MARKDOWN_TITLE,)))
            if target not in (None, console.STDOUT)
        ]
        outputs += [] if self.folder is None else check_report_folder(self.folder, self.force)
        check_outputs(outputs, inputs)

    def write(self, report: BenchReport, command: str) -> list[str]:
        """Write all of it, and return the paths of what has more than the terminal shows. Raises OutputError.

        command: the command line that made the report.
        """
        if self.json is not None:
            console.emit_json(to_json(report), self.json)
        if self.markdown is not None:
            console.emit_text(to_markdown(report), self.markdown)
        page = [] if self.folder is None else [str(write_report(self.folder, report, command))]
        return [*page, *(path for path in (self.markdown, self.json) if path not in (None, console.STDOUT))]
