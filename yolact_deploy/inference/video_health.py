"""What is wrong with a video that is being read: damaged parts, and an end that comes too early."""

from __future__ import annotations

from typing import Any

_HEADER_FORMATS = {"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"}  # FFmpeg's names: their headers tell the end
_END_SLACK_S = 0.1  # how much earlier than announced a video may end


class VideoHealth:
    """Counts while a video is read. Times are the container's own, s."""

    def __init__(self, container: Any, video: Any, rate: float) -> None:
        """container: av.InputContainer. video: the av.VideoStream that is read. rate: its frames per second."""
        self.lost_packets = 0  # could not be decoded
        self.damaged_frames = 0  # were decoded with gaps filled in
        self.container_faults = 0  # places where the container could not be read
        self._announced_s, self._is_of_video = _announced_end(container, video)
        self._video_index: int = video.index
        self._frame_s = 1 / rate
        self._longest_gap_s = 0.0  # between two frames
        self._last_frame_s = 0.0
        self._first_damage_s: float | None = None
        self._video_end_s = self._end_s = float("-inf")

    @property
    def is_damaged(self) -> bool:
        """Whether any part could not be read as it was written."""
        return self.lost_packets + self.damaged_frames + self.container_faults > 0

    def saw_packet(self, packet: Any) -> None:
        """Take note of an av.Packet."""
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is not None:
            end = float((stamp + (packet.duration or 0)) * packet.time_base)
            self._end_s = max(self._end_s, end)
            if packet.stream_index == self._video_index:
                self._video_end_s = max(self._video_end_s, end)
        self.lost_packets += bool(packet.is_corrupt)

    def saw_frame(self, is_damaged: bool, time_s: float) -> None:
        """Take note of a decoded frame."""
        self.damaged_frames += is_damaged
        self._longest_gap_s = max(self._longest_gap_s, time_s - self._last_frame_s)
        self._last_frame_s = time_s
        if self.is_damaged and self._first_damage_s is None:
            self._first_damage_s = time_s

    def damage(self) -> str:
        """The damaged parts, in words; empty where there is none."""
        counts = (
            (self.lost_packets, "packets could not be decoded"),
            (self.damaged_frames, "frames have damaged parts"),
            (self.container_faults, "places of the file could not be read"),
        )
        parts = ", ".join(f"{count} {what}" for count, what in counts if count)
        where = "at the end" if self._first_damage_s is None else f"the first at about {self._first_damage_s:.2f} s"
        return f"is damaged: {parts}, {where}" if parts else ""

    def shortfall(self, count: int) -> str:
        """What is wrong with an end after `count` frames, in words; empty when nothing is."""
        end = self._video_end_s if self._is_of_video else self._end_s
        if self._announced_s is None or end == float("-inf"):
            return ""
        slack = max(_END_SLACK_S, 2 * self._frame_s, self._longest_gap_s)
        if self._announced_s - end <= slack:
            return ""
        return f"breaks off: stopped after frame {count}, {self._announced_s - end:.2f} s before the end it announces"


def _announced_end(container: Any, video: Any) -> tuple[float | None, bool]:
    """When the video ends as the headers say, or else all tracks together; and whether it is the video's own end."""
    import av

    names = container.format.name.split(",")
    if not _HEADER_FORMATS.intersection(names):
        return None, False  # an estimate from the size of the file, or from its last time stamp
    if "avi" in names and video.frames and video.average_rate:
        return float(video.frames / video.average_rate), True  # FFmpeg's duration is cut to the size of the file
    if video.duration:
        return float(((video.start_time or 0) + video.duration) * video.time_base), True
    if container.duration and container.duration > 0:
        return ((container.start_time or 0) + container.duration) / av.time_base, False
    return None, False
