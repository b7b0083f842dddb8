"""One `infer` run: a source, the model, and sinks."""

from __future__ import annotations

from ..draw import draw_detections
from ..errors import ConfigError, ImageError
from ..predictor import Predictor
from ..types import Advance, NetworkDetections
from .frames import Frame, Note, Result
from .options import InferOptions
from .pipeline import Pipeline, PipelineReport
from .sinks import open_sinks
from .sources import OpenedSource


class FrameStages:
    """What is done with each frame: the model, then masks at image size and the drawing."""

    def __init__(
        self, predictor: Predictor, options: InferOptions, draws: bool = False, is_video: bool = False
    ) -> None:
        """is_video: all frames have one size, so that a region outside of the first ends the run."""
        self._predictor, self._options, self._draws, self._is_video = predictor, options, draws, is_video

    def detect(self, frame: Frame) -> NetworkDetections:
        """The model stage: what counts of one frame. Raises ImageError."""
        region = self._options.region
        try:
            image = frame.image if region is None else region.of(frame.image)
        except ImageError as error:
            if self._is_video and frame.index == 0:
                raise ConfigError(f"{error}: name a part of the frame") from None
            raise
        (found,) = self._predictor.detect([image])
        return self._options.selection.of(found)

    def render(self, frame: Frame, found: NetworkDetections) -> Result:
        """The draw stage: masks at image size and, where a sink shows them, the picture."""
        height, width = frame.image.shape[:2]
        if (region := self._options.region) is None:
            detections = self._predictor.finish_windowed(found, height, width)
        else:
            part = self._predictor.finish_windowed(found, region.height, region.width)
            detections = region.moved(part, height, width)
        names, color_by = self._predictor.metadata.config.class_names, self._options.color_by
        drawn = draw_detections(frame.image, detections, names, color_by) if self._draws else None
        return Result(frame, detections, drawn)


class InferRun:
    """A run that is ready to start, its files opened."""

    def __init__(
        self, predictor: Predictor, options: InferOptions, opened: OpenedSource, note: Note = lambda text: None
    ) -> None:
        """note: takes lines about what is lost or assumed.

        Raises OutputError when an output cannot be written, DataError for annotations that do not fit; `opened` is
        closed then.
        """
        try:
            sinks = open_sinks(options, opened, predictor.metadata.config, self.stop, note)
        except BaseException:
            opened.source.close()
            raise
        draws = any(sink.needs_drawing for sink in sinks)
        self.stages = FrameStages(predictor, options, draws, opened.video_name is not None)
        self._pipeline = Pipeline(opened.source, self.stages.detect, self.stages.render, sinks)

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
