"""Opened videos → decoded frames with exact times, around damage. Alone knows about time stamps."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import BadInputError, PassingError
from mien.inference.read.containers import MICROSECOND, PASSING, reason_of, start_of
from mien.processors import count_cores

if TYPE_CHECKING:  # PyAV is slow to import: functions import it when they need it
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

# The containers that write how long they are; FFmpeg estimates it for others from what is there.
_DECLARES_DURATION = frozenset({"mov", "matroska", "avi", "flv", "asf"})
# The containers that are cut and joined by laying files end to end.
_BEGINS_ANEW = frozenset({"mpegts", "mpeg"})
_HOLD_SECONDS = 1  # how long one of them may take to show after the mark
_BROKEN = "a frame cannot be decoded whole"
_SHORT_SECONDS = Fraction(1, 2)


@dataclass
class _Reading:
    """What was met while packets were read; times are on the container's own clock.

    Attributes:
        ending: Where the last packet of any stream ends.
        shown: When the last packet of the video is shown.
        cut: The file's last packet is incomplete.
        problem: Why reading ended before the file did.
        passes: That is the system's fault, not the file's.
        places: Of an AVI: where the packets lie whose frames have not been shown yet.
        damage: What is wrong with the frames from here to the next key frame.
        damaged_at: The time of the first of them, on the stream's clock, if it is known.
        num_lost: How many of them have come.
    """

    ending: Fraction | None = None
    shown: Fraction | None = None
    cut: bool = False
    problem: str | None = None
    passes: bool = False
    places: deque[int] = field(default_factory=deque)
    damage: str | None = None
    damaged_at: int | None = None
    num_lost: int = 0

    def lose(self, damage: str, pts: int | None) -> None:
        """Records damage that lasts until a good key frame after it."""
        if self.damage is None:
            self.damage = damage
        if pts is not None:
            self.damaged_at = max(pts, self.damaged_at or pts)

    def is_whole_again(self, frame: "av.VideoFrame") -> bool:
        """Returns whether a frame is a good key frame behind all damage."""
        late = self.damaged_at is None or frame.pts is None or frame.pts > self.damaged_at
        return frame.key_frame and not frame.is_corrupt and late

    def fail(self, error: Exception) -> None:
        """Records the error that ended reading."""
        self.problem, self.passes = reason_of(error), getattr(error, "errno", None) in PASSING


@dataclass(frozen=True)
class DamagedFrames:
    """Stands for damaged frames in the sequence: how many, and why."""

    num_frames: int
    error: str


def timed_frames(
    path: Path, container: "InputContainer", end: Fraction | None
) -> "Iterator[tuple[Fraction, av.VideoFrame | DamagedFrames]]":
    """Returns frames with their times; after the last good one, the error if there is one."""
    from av.error import FFmpegError

    stream = _video_stream(path, container)
    origin, clock = start_of(container), stream.time_base
    rate = stream.average_rate or stream.guessed_rate or 25
    reading = _Reading()
    time = before = None
    shift = Fraction(0)
    try:
        for frame in _decode(container, stream, reading):
            if frame.is_corrupt:
                if _cannot_go_on(container):
                    reading.problem = _BROKEN
                    break
                reading.lose(_BROKEN, frame.pts)
            if reading.damage is not None and not reading.is_whole_again(frame):
                reading.num_lost += 1
                continue
            if reading.places and clock is not None:
                time = reading.places.popleft() * clock - origin
            elif frame.pts is not None and clock is not None:
                # Not frame.time_base: frames that come when the decoder is emptied have none.
                time = frame.pts * clock - origin + shift
            else:
                # Some streams, raw ones above all, give no times: go on from the frame before by
                # the average rate, which is all there is to go by.
                time = Fraction(0) if time is None else time + 1 / Fraction(rate)
            if before is not None and time < before:  # recordings laid end to end, mostly
                if not _is_one_of(container, _BEGINS_ANEW):
                    reading.problem = f"its times go back to {seconds_of(time)}"
                    time = before
                    break
                next_time = before + (1 + reading.num_lost) / Fraction(rate)
                time, shift = next_time, shift + next_time - time
            if reading.damage is not None:
                since = "its beginning" if before is None else seconds_of(before)
                if before is not None:  # packets that are not even found count by their times
                    by_time = round((time - before) * Fraction(rate)) - 1
                    reading.num_lost = max(reading.num_lost, by_time)
                error = f"{path}: damaged from {since} to {seconds_of(time)} ({reading.damage})"
                yield time, DamagedFrames(reading.num_lost, error)
                reading.damage, reading.damaged_at, reading.num_lost = None, None, 0
            before = time
            yield time, frame
    except (FFmpegError, ValueError) as error:
        reading.fail(error)
    time = before
    reading.problem = reading.problem or reading.damage
    declared = _declared_duration(container, stream)
    whole = "" if declared is None else f" of {seconds_of(declared)}"
    if reading.shown is not None and not reading.problem:
        # PyAV keeps an error to itself that comes after frames in the same call, as it does
        # when the decoder is emptied at the end: frames that never came show it.
        decoded = -1 if time is None else time
        if reading.shown - origin - decoded > _SHORT_SECONDS and not reading.cut:
            reading.problem = "its last frames cannot be decoded"
    if reading.problem:
        good = "from its beginning" if time is None else f"after {seconds_of(time)}{whole}"
        if reading.passes:
            raise PassingError(f"{path}: cannot be read {good} ({reading.problem})")
        raise BadInputError(f"{path}: damaged {good} ({reading.problem})")
    ending = Fraction(0) if reading.ending is None else reading.ending - origin
    short = declared is not None and declared - ending > _SHORT_SECONDS
    if (short or reading.cut) and (end is None or ending < end):
        raise BadInputError(f"{path}: ends at {seconds_of(ending)}{whole}: truncated")


def _video_stream(path: Path, container: "InputContainer") -> "VideoStream":
    from av.stream import Disposition
    from av.video.stream import VideoStream

    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        raise BadInputError(f"{path}: has no video stream")
    if stream.codec_context is None:
        raise BadInputError(f"{path}: its video is of a kind that cannot be decoded")
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = count_cores()
    return stream


def _decode(
    container: "InputContainer", stream: "VideoStream", reading: _Reading
) -> "Iterator[av.VideoFrame]":
    """Returns the frames of all good packets; what the decoder cannot read, `reading` tells.

    Of an AVI its error is raised: the frames that it then still holds are given up, for some of
    them may lie after the damage.
    """
    from av.error import FFmpegError

    # AVI has no times of showing, only places one frame apart; those that FFmpeg makes up are out
    # of order where frames are stored out of order. So the first frame shown has the first place.
    avi = _cannot_go_on(container)
    for packet in _good_packets(container, stream, reading):
        if packet.stream_index == stream.index:
            if avi and packet.dts is not None:
                reading.places.append(packet.dts)
            try:
                frames = stream.codec_context.decode(packet)  # type: ignore[arg-type]
            except FFmpegError as error:
                if avi or getattr(error, "errno", None) in PASSING:
                    raise
                reading.lose(reason_of(error), packet.pts)
                reading.num_lost += 1
                continue
            yield from frames
    yield from stream.codec_context.decode(None)


def _good_packets(
    container: "InputContainer", stream: "VideoStream", reading: _Reading
) -> "Iterator[Packet]":
    """Returns the packets of all streams up to the end, or to damage, which `reading` tells."""
    from av.error import FFmpegError

    incomplete = None
    try:
        for packet, is_corrupt in _judged(container, stream):
            is_video = packet.stream_index == stream.index
            if incomplete is not None and is_video and incomplete.stream_index == stream.index:
                # Another follows, so it is not the last one, which was cut short.
                if _cannot_go_on(container):
                    reading.problem = "a packet is damaged"
                    return
                reading.lose("a packet is damaged", incomplete.pts)
                reading.num_lost += 1
            if is_video or incomplete is None or incomplete.stream_index != stream.index:
                incomplete = packet if is_corrupt else None  # damaged sound harms no picture
            if is_corrupt:
                continue
            if packet.pts is not None:
                shown = packet.pts * packet.time_base
                ends = shown + (packet.duration or 0) * packet.time_base
                reading.ending = max(reading.ending or ends, ends)
                if packet.stream_index == stream.index and not packet.is_discard:
                    reading.shown = max(reading.shown or shown, shown)
            yield packet
    except FFmpegError as error:
        reading.fail(error)
    reading.cut = incomplete is not None


def _judged(container: "InputContainer", stream: "VideoStream") -> "Iterator[tuple[Packet, bool]]":
    """Yields packets, each with whether it is damaged.

    Where recordings may be laid end to end, the mark of a packet means no more than that the
    next one begins, if times go back soon.
    """
    begins_anew = _is_one_of(container, _BEGINS_ANEW)
    clock = stream.time_base
    held: list[Packet] = []
    for packet in container.demux():
        if not packet.size:  # PyAV's marks of the end, one a stream
            continue
        is_video = packet.stream_index == stream.index
        if not held and not (begins_anew and is_video and packet.is_corrupt and packet.dts):
            yield packet, packet.is_corrupt
            continue
        held.append(packet)
        if not is_video or packet.dts is None or clock is None:
            continue
        since = (packet.dts - (held[0].dts or 0)) * clock
        if since < 0:
            yield from ((each, False) for each in held)
        elif since > _HOLD_SECONDS:
            yield held[0], True
            yield from ((each, each.is_corrupt) for each in held[1:])
        else:
            continue
        held = []
    yield from ((each, each.is_corrupt) for each in held)


def _is_one_of(container: "InputContainer", kinds: frozenset[str]) -> bool:
    return not kinds.isdisjoint(container.format.name.split(","))


def _cannot_go_on(container: "InputContainer") -> bool:
    """Returns whether frames behind damage cannot be placed: an AVI has no times of showing."""
    return container.format.name == "avi"


def _declared_duration(container: "InputContainer", stream: "VideoStream") -> Fraction | None:
    """Returns the duration in seconds that the file states, if it states one."""
    if container.duration is None or not _is_one_of(container, _DECLARES_DURATION):
        return None
    duration = container.duration * MICROSECOND
    if container.format.name == "avi" and stream.time_base is not None:
        # FFmpeg shortens it to what is there; the number of frames stays as it was written.
        duration = max(duration, stream.frames * stream.time_base)
    return duration


def seconds_of(time: Fraction) -> str:
    """Returns a time for people."""
    return f"{float(time):.1f} s"
