"""Videos: a file → its frames as RGB pictures with exact times. The only reader of video files."""

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from mien.errors import BadInputError
from mien.inference.read.containers import open_video
from mien.inference.read.decoding import DamagedFrames, seconds_of, timed_frames
from mien.inference.read.sampling import Sampling
from mien.inference.read.upright import Upright
from mien.inference.results import FrameResult


@dataclass
class Pulse:
    """A counter by which another thread sees whether reading still makes progress.

    Attributes:
        num_frames: Frames that this process has decoded so far, in all videos.
    """

    num_frames: int = 0


pulse = Pulse()


def read_frames(path: Path, sampling: Sampling | None = None) -> Iterator[FrameResult]:
    """Returns an iterator over the frames that are wanted, in the order they are shown.

    They are numbered as the file has them, their times count from where players begin it, and they
    are upright, with square pixels. Where frames are damaged there is one with the error, without
    number and time, and it goes on at the next key frame, which needs no other. Recordings laid end
    to end, whose times begin anew, are one: each goes on where the one before ended.

    The file is read from its beginning also where the start is later, so that indices are exact;
    frames that are not wanted are decoded, but not converted. Closing the iterator closes the file.

    Args:
        path: The video's file; what it is, is seen from its contents, not from its name.
        sampling: Which frames; all, unless given.

    Raises:
        MissingError: No such file.
        PassingError: The system cannot read it now.
        BadInputError: It is no video, has no picture or none that is wanted; or it is damaged or
            ends too early, after the frames before that were returned.
    """
    sampling = sampling or Sampling()
    start, end = _exact(sampling.start_seconds), None
    if sampling.end_seconds is not None:
        end = _exact(sampling.end_seconds)
    every = None if sampling.every_seconds is None else _exact(sampling.every_seconds)
    due, in_range, time = start, 0, None
    container = open_video(path)
    try:
        upright = Upright(getattr(container.streams.best("video"), "sample_aspect_ratio", None))
        index = -1
        for time, frame in timed_frames(path, container, end):
            if isinstance(frame, DamagedFrames):
                index += frame.num_frames
                if time >= start:
                    yield FrameResult(str(path), error=frame.error)
                continue
            index += 1
            pulse.num_frames += 1
            if end is not None and time >= end:
                break
            if time < due:
                continue
            if every is not None:
                due = start + every * ((time - start) // every + 1)
            in_range += 1
            if (in_range - 1) % sampling.every_frames == 0:
                yield FrameResult.of_pixels(str(path), upright.rgb(frame), index, float(time))
    finally:
        container.close()
        # PyAV's container and streams refer to each other, so that the decoder's threads and memory
        # would stay until Python happens to look for such circles: hundreds after a few videos.
        del container
        gc.collect()
    if time is None:
        raise BadInputError(f"{path}: the video has no frame")
    if not in_range:
        wanted = f"from {float(start):g} s on" if end is None else "between the start and the end"
        raise BadInputError(
            f"{path}: no frame {wanted}; the last one read is at {seconds_of(time)}"
        )


def _exact(seconds: float) -> Fraction:
    """Returns the decimal number that was written: 0.1 → 1/10, not the float next to it."""
    return Fraction(repr(float(seconds)))
