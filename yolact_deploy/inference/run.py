"""One `infer` run: a source, the model, and sinks."""

from __future__ import annotations

from ..draw import draw_detections
from ..errors import ImageError
from ..predictor import Predictor
from ..types import Advance, NetworkDetections
from .frames import Frame, Note, Result
from .options import InferOptions
from .pipeline import Pipeline, PipelineReport
from .sinks import open_sinks
from .sources import OpenedSource


class InferRun:
    """A run that is ready to start, its files opened."""

    def __init__(
        self, predictor: Predictor, options: InferOptions, opened: OpenedSource, note: Note = lambda text: None
    ) -> None:
        """note: takes lines about what is lost or assumed.

        Raises OutputError when an output cannot be written, DataError for annotations that do not fit; `opened` is
        closed then.
        """
        self._predictor, self._options = predictor, options
        try:
            sinks = open_sinks(options, opened, predictor.metadata.config, self.stop, note)
        except BaseException:
            opened.source.close()
            raise
        self._draws = any(sink.needs_drawing for sink in sinks)
        self._pipeline = Pipeline(opened.source, self.detect, self.render, sinks)

    def stop(self) -> None:
        """Take no new frames and finish the files; safe in a signal handler."""
        self._pipeline.stop()

    def run(self, advance: Advance = lambda done, total: None) -> PipelineReport:
        """Work until the source ends or `stop`. Raises OutputError, or ImageError when not one picture could be used;
        then nothing is left of the files."""
        report = self._pipeline.run(advance)
        if report.frames == 0 and len(report.failures) == 1:
            raise ImageError(report.failures[0])
        if report.frames == 0 and report.failures:
            raise ImageError(f"none of {len(report.failures)} pictures could be used; the first: {report.failures[0]}")
        return report

    def detect(self, frame: Frame) -> NetworkDetections:
        """The model stage: what counts of one frame."""
        (found,) = self._predictor.detect([frame.image])
        return self._options.selection.of(found)

    def render(self, frame: Frame, found: NetworkDetections) -> Result:
        """The draw stage: masks at image size and, where a sink shows them, the picture."""
        detections = self._predictor.finish_windowed(found, *frame.image.shape[:2])
        names, color_by = self._predictor.metadata.config.class_names, self._options.color_by
        drawn = draw_detections(frame.image, detections, names, color_by) if self._draws else None
        return Result(frame, detections, drawn)
