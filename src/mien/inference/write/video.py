"""Frames with their times → an H.264 file, with the sound of the file they came from."""

from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.errors import MienError
from mien.inference.read.containers import open_video, start_of

if TYPE_CHECKING:
    from av.packet import Packet

CLOCK = Fraction(1, 90_000)
"""Seconds per tick of the written times: 1/24, 1/25, 1/30 s and 1001/30000 s are whole ticks."""

_MP4_SOUND = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_QUALITY = {"crf": "20", "preset": "veryfast"}


def video_suffix(path: Path) -> str:
    """Returns `.mp4`, or `.mkv` where the file's sound cannot be copied into an MP4."""
    try:
        source = open_video(path)
    except MienError:
        return ".mp4"  # nothing will be written
    with source:
        audio = source.streams.best("audio")
        return ".mp4" if audio is None or audio.codec_context.name in _MP4_SOUND else ".mkv"


class VideoWriter:
    """Writes one video; `close` completes it under its name, until then it ends in `.part`."""

    def __init__(
        self,
        path: Path,
        source: Path,
        height: int,
        width: int,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
    ) -> None:
        """Opens the file.

        Args:
            path: Where it goes, `.mp4` or `.mkv`.
            source: The video whose sound is copied, if it has any.
            height: Of every frame, pixels.
            width: Likewise.
            start_seconds: The source's time at which the file begins, picture and sound.
            end_seconds: The time at which its sound ends; the source's end, unless given.

        Raises:
            OSError: It cannot be written.
            BadInputError: The source is no video.
        """
        import av

        self._start, self._last_tick = start_seconds, -1
        self._end = float("inf") if end_seconds is None else end_seconds
        self._path, self._unfinished = path, path.with_name(f"{path.name}.part")
        kind = "matroska" if path.suffix == ".mkv" else "mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._source = open_video(source)
        try:
            self._output = av.open(str(self._unfinished), "w", format=kind)
        except BaseException:
            self._source.close()
            raise
        # H.264 in 4:2:0 takes even sides; B-frames would shift the first time below zero.
        self._pad = ((0, height % 2), (0, width % 2), (0, 0))
        self._video = self._output.add_stream("libx264", rate=30, options=_QUALITY)
        self._video.height, self._video.width = height + height % 2, width + width % 2
        self._video.pix_fmt, self._video.codec_context.max_b_frames = "yuv420p", 0
        self._video.time_base = self._video.codec_context.time_base = CLOCK
        self._sound = self._copied_sound()
        self._next_sound = next(self._sound, None)

    def write(self, rgb: np.ndarray, time_seconds: float) -> None:
        """Takes the next frame, RGB uint8 `[height, width, 3]`, shown at a time of the source.

        Of two frames with one time the second is shown a tick later.
        """
        import av

        pixels = np.pad(rgb, self._pad, "edge") if any(map(any, self._pad)) else rgb
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
        tick = max(round((time_seconds - self._start) / CLOCK), self._last_tick + 1)
        self._last_tick = tick
        frame.pts, frame.time_base = tick, CLOCK
        self._write_sound_until(time_seconds)
        self._output.mux(self._video.encode(frame))

    def close(self) -> None:
        """Completes the file."""
        try:
            self._output.mux(self._video.encode(None))
            self._write_sound_until(float("inf"))
        finally:
            self._sound.close()
            self._output.close()
            self._source.close()
        self._unfinished.replace(self._path)

    def _copied_sound(self) -> "Generator[tuple[float, Packet], None, None]":
        """Yields the sound's packets for the output, each with its time in the source, seconds."""
        audio = self._source.streams.best("audio")
        if audio is None or audio.time_base is None:
            return
        target = self._output.add_stream_from_template(audio)
        begin = round(start_of(self._source) / audio.time_base)
        first = begin + round(self._start / audio.time_base)
        for packet in self._source.demux(audio):
            if packet.dts is None or packet.pts is None:  # the end's empty packet
                continue
            time = float((packet.pts - begin) * audio.time_base)
            if time >= self._end:
                return
            if self._start and time < self._start:
                continue
            packet.pts, packet.dts = packet.pts - first, packet.dts - first
            packet.stream = target
            yield time, packet

    def _write_sound_until(self, time_seconds: float) -> None:
        while self._next_sound is not None and self._next_sound[0] <= time_seconds:
            self._output.mux(self._next_sound[1])
            self._next_sound = next(self._sound, None)
