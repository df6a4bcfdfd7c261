"""Videos: a file → its frames as RGB pictures with exact times. The only reader of video files."""

import errno
import gc
import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import BadInputError, MienError, MissingError, PassingError, UsageError
from mien.inference.results import FrameResult
from mien.inference.upright import Upright

if TYPE_CHECKING:  # PyAV is slow to import: functions import it when they need it
    import av
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_SUFFIXES = (
    "mp4 m4v mov qt 3gp 3g2 f4v avi mkv webm mpg mpeg m2v vob wmv asf flv ts mts m2ts ogv ogm "
    "h264 264 h265 265 hevc"
)
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""The endings, in lower case, that mark a file in a folder as a video."""

# Without the list a "video" may be a playlist that makes FFmpeg open other files, or a picture.
_CONTAINERS = "mov,mp4,matroska,webm,avi,flv,asf,mpeg,mpegvideo,mpegts,m4v,h264,hevc,ogg"
# The containers that write how long they are; FFmpeg estimates it for others from what is there.
_DECLARES_DURATION = frozenset({"mov", "matroska", "avi", "flv", "asf"})
_PASSING_NAMES = "EIO EACCES EPERM ENOENT ESTALE ETIMEDOUT ENODEV ENXIO EMFILE ENFILE EREMOTEIO"
# What the system says of a file, not FFmpeg of what is in it.
_PASSING = frozenset(getattr(errno, name, None) for name in _PASSING_NAMES.split()) - {None}
# The containers that are cut and joined by laying files end to end.
_BEGINS_ANEW = frozenset({"mpegts", "mpeg"})
_HOLD_SECONDS = 1  # how long one of them may take to show after the mark
_BROKEN = "a frame cannot be decoded whole"
_SHORT_SECONDS = Fraction(1, 2)
_MICROSECOND = Fraction(1, 1_000_000)
_TIME = re.compile(r"(?:(?:(\d+):(?=\d+:))?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_NUMBER = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)


@dataclass
class Pulse:
    """Tells a watcher in another thread whether reading goes on.

    Attributes:
        num_frames: Decoded in this process so far, of all videos.
    """

    num_frames: int = 0


pulse = Pulse()


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are read.

    Attributes:
        every_frames: Every so many frames, from the first one that is not before the start.
        every_seconds: Instead: the first frame at or after each of start, start + this, ...
        start_seconds: Frames before it are left out.
        end_seconds: Frames at or after it are left out; the end of the file, unless given.

    Raises:
        UsageError: A step is not positive, both are given, or the times are not in order.
    """

    every_frames: int = 1
    every_seconds: float | None = None
    start_seconds: float = 0.0
    end_seconds: float | None = None

    def __post_init__(self) -> None:
        start, end, seconds = self.start_seconds, self.end_seconds, self.every_seconds
        if self.every_frames < 1:
            raise UsageError(f"every {self.every_frames} frames: expected 1 or more")
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise UsageError(f"every {seconds} seconds: expected more than 0")
        if seconds is not None and self.every_frames != 1:
            raise UsageError("every so many frames and every so many seconds: expected one of them")
        if not (math.isfinite(start) and start >= 0):
            raise UsageError(f"from {start} s: expected 0 or more")
        if end is not None and not (math.isfinite(end) and end > start):
            raise UsageError(f"to {end} s: expected a time after the start, {start} s")


def parse_every(text: str) -> tuple[int, float | None]:
    """Returns a `Sampling`'s first two fields: "3" → (3, None), "0.5s" → (1, 0.5).

    Raises:
        UsageError: It is neither, or not positive.
    """
    text = text.strip()
    seconds = text.removesuffix("s").rstrip()
    if text.endswith("s") and _NUMBER.fullmatch(seconds) and float(seconds) > 0:
        return 1, float(seconds)
    if re.fullmatch(r"[0-9]+", text) and int(text) > 0:
        return int(text), None
    raise UsageError(f"{text!r}: expected a number of frames like 3, or seconds like 0.5s")


def parse_time(text: str) -> float:
    """Returns the seconds of a time: "90" → 90, "1:30" → 90, "1:02:03.5" → 3723.5.

    Raises:
        UsageError: It is no such time.
    """
    match = _TIME.fullmatch(text.strip())
    if match:
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        if (match[2] is None or seconds < 60) and (match[1] is None or minutes < 60):
            return hours * 3600 + minutes * 60 + seconds
    raise UsageError(f"{text!r}: expected a time like 90, 1:30 or 1:02:03.5")


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
        for time, frame in _timed_frames(path, container, end):
            if isinstance(frame, _Lost):
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
        raise BadInputError(f"{path}: no frame {wanted}; the last one read is at {_seconds(time)}")


def open_video(path: Path) -> "InputContainer":
    """Returns the opened file; whoever calls closes it.

    Raises:
        MissingError: No such file.
        PassingError: The system cannot read it now.
        BadInputError: It is no video, or no file but a pipe or a device.
    """
    import av
    from av.error import FFmpegError

    if path.is_dir():
        raise BadInputError(f"{path}: is a folder, not a video")
    if not path.exists():
        raise MissingError(f"{path}: no such file")
    if not path.is_file():
        raise BadInputError(f"{path}: is a pipe or a device; videos are read from files")
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        # "file:" keeps a name with a colon from being taken for a protocol.
        return av.open(f"file:{path}", "r", container_options=options, metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        if getattr(error, "errno", None) in _PASSING:
            raise PassingError(f"{path}: cannot be read: {_reason(error)}") from error
        raise BadInputError(f"{path}: {_kind(path)}") from error


def duration_of(path: Path) -> float | None:
    """Returns how long a video says it is, in seconds; None if it does not, or is no video."""
    try:
        with open_video(path) as container:
            duration = container.duration
    except MienError:
        return None
    return None if duration is None else max(0.0, float(duration * _MICROSECOND))


_PICTURE_BRANDS = frozenset((b"avif", b"avis", b"heic", b"heix", b"heim", b"mif1", b"msf1"))
_QUICKTIME = frozenset((b"moov", b"mdat", b"wide", b"free", b"skip"))
_BEGINNINGS = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"FLV",
    b"OggS",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF
    *(b"\0\0\1" + bytes([code]) for code in (0xBA, 0xB3, 0x67, 0x09)),  # MPEG; raw H.264
    *(b"\0\0\0\1" + bytes([code]) for code in (0x67, 0x09, 0x06, 0x40)),  # raw H.264, H.265
)


def is_video(path: Path) -> bool:
    """Returns whether a file begins as videos do; what cannot be read does not."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            head = stream.read(400)
    except OSError:
        return False
    if head[4:8] == b"ftyp":
        return head[8:12] not in _PICTURE_BRANDS
    if head[4:8] in _QUICKTIME or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return True
    is_stream = any(head[at : at + 1] == head[at + 188 : at + 189] == b"G" for at in (0, 4))
    return head.startswith(_BEGINNINGS) or (is_stream and len(head) >= 200)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _kind(path: Path) -> str:
    """Says what a file that is no video seems to be."""
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError as error:
        raise PassingError(f"{path}: cannot be read: {_reason(error)}") from error
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp":
        return "its index is missing or damaged: cut short, or never finished"
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "text, not a video"
    return "not a video of a known kind (MP4, QuickTime, Matroska, WebM, AVI, ...), or damaged"


@dataclass
class _Progress:
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
        """Takes down that what comes is damaged, up to a key frame after it."""
        if self.damage is None:
            self.damage = damage
        if pts is not None:
            self.damaged_at = max(pts, self.damaged_at or pts)

    def is_whole_again(self, frame: "av.VideoFrame") -> bool:
        """Returns whether a frame is a good key frame behind all damage."""
        late = self.damaged_at is None or frame.pts is None or frame.pts > self.damaged_at
        return frame.key_frame and not frame.is_corrupt and late

    def fail(self, error: Exception) -> None:
        """Takes an error down."""
        self.problem, self.passes = _reason(error), getattr(error, "errno", None) in _PASSING


@dataclass(frozen=True)
class _Lost:
    """So many frames were damaged."""

    num_frames: int
    error: str


def _timed_frames(
    path: Path, container: "InputContainer", end: Fraction | None
) -> "Iterator[tuple[Fraction, av.VideoFrame | _Lost]]":
    """Returns frames with their times; after the last good one, the error if there is one."""
    from av.error import FFmpegError

    stream = _video_stream(path, container)
    origin, clock = start_of(container), stream.time_base
    rate = stream.average_rate or stream.guessed_rate or 25
    progress = _Progress()
    time = before = None
    shift = Fraction(0)
    try:
        for frame in _decode(container, stream, progress):
            if frame.is_corrupt:
                if _cannot_go_on(container):
                    progress.problem = _BROKEN
                    break
                progress.lose(_BROKEN, frame.pts)
            if progress.damage is not None and not progress.is_whole_again(frame):
                progress.num_lost += 1
                continue
            if progress.places and clock is not None:
                time = progress.places.popleft() * clock - origin
            elif frame.pts is not None and clock is not None:
                # Not frame.time_base: frames that come when the decoder is emptied have none.
                time = frame.pts * clock - origin + shift
            else:
                # Some streams, raw ones above all, give no times: go on from the frame before by
                # the average rate, which is all there is to go by.
                time = Fraction(0) if time is None else time + 1 / Fraction(rate)
            if before is not None and time < before:  # recordings laid end to end, mostly
                if not _is_one_of(container, _BEGINS_ANEW):
                    progress.problem = f"its times go back to {_seconds(time)}"
                    time = before
                    break
                next_time = before + (1 + progress.num_lost) / Fraction(rate)
                time, shift = next_time, shift + next_time - time
            if progress.damage is not None:
                since = "its beginning" if before is None else _seconds(before)
                if before is not None:  # packets that are not even found count by their times
                    by_time = round((time - before) * Fraction(rate)) - 1
                    progress.num_lost = max(progress.num_lost, by_time)
                error = f"{path}: damaged from {since} to {_seconds(time)} ({progress.damage})"
                yield time, _Lost(progress.num_lost, error)
                progress.damage, progress.damaged_at, progress.num_lost = None, None, 0
            before = time
            yield time, frame
    except (FFmpegError, ValueError) as error:
        progress.fail(error)
    time = before
    progress.problem = progress.problem or progress.damage
    declared = _declared_duration(container, stream)
    whole = "" if declared is None else f" of {_seconds(declared)}"
    if progress.shown is not None and not progress.problem:
        # PyAV keeps an error to itself that comes after frames in the same call, as it does
        # when the decoder is emptied at the end: frames that never came show it.
        decoded = -1 if time is None else time
        if progress.shown - origin - decoded > _SHORT_SECONDS and not progress.cut:
            progress.problem = "its last frames cannot be decoded"
    if progress.problem:
        good = "from its beginning" if time is None else f"after {_seconds(time)}{whole}"
        if progress.passes:
            raise PassingError(f"{path}: cannot be read {good} ({progress.problem})")
        raise BadInputError(f"{path}: damaged {good} ({progress.problem})")
    ending = Fraction(0) if progress.ending is None else progress.ending - origin
    short = declared is not None and declared - ending > _SHORT_SECONDS
    if (short or progress.cut) and (end is None or ending < end):
        raise BadInputError(f"{path}: ends at {_seconds(ending)}{whole}: truncated")


def _video_stream(path: Path, container: "InputContainer") -> "VideoStream":
    from av.stream import Disposition
    from av.video.stream import VideoStream

    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        raise BadInputError(f"{path}: has no video stream")
    if stream.codec_context is None:
        raise BadInputError(f"{path}: its video is of a kind that cannot be decoded")
    stream.thread_type = "AUTO"
    return stream


def _decode(
    container: "InputContainer", stream: "VideoStream", progress: _Progress
) -> "Iterator[av.VideoFrame]":
    """Returns the frames of all good packets; what the decoder cannot read, `progress` tells.

    Of an AVI its error is raised: the frames that it then still holds are given up, for some of
    them may lie after the damage.
    """
    from av.error import FFmpegError

    # AVI has no times of showing, only places one frame apart; those that FFmpeg makes up are out
    # of order where frames are stored out of order. So the first frame shown has the first place.
    avi = _cannot_go_on(container)
    for packet in _good_packets(container, stream, progress):
        if packet.stream_index == stream.index:
            if avi and packet.dts is not None:
                progress.places.append(packet.dts)
            try:
                frames = stream.codec_context.decode(packet)  # type: ignore[arg-type]
            except FFmpegError as error:
                if avi or getattr(error, "errno", None) in _PASSING:
                    raise
                progress.lose(_reason(error), packet.pts)
                progress.num_lost += 1
                continue
            yield from frames
    yield from stream.codec_context.decode(None)


def _good_packets(
    container: "InputContainer", stream: "VideoStream", progress: _Progress
) -> "Iterator[Packet]":
    """Returns the packets of all streams up to the end, or to damage, which `progress` tells."""
    from av.error import FFmpegError

    incomplete = None
    try:
        for packet, is_corrupt in _judged(container, stream):
            is_video = packet.stream_index == stream.index
            if incomplete is not None and is_video and incomplete.stream_index == stream.index:
                # Another follows, so it is not the last one, which was cut short.
                if _cannot_go_on(container):
                    progress.problem = "a packet is damaged"
                    return
                progress.lose("a packet is damaged", incomplete.pts)
                progress.num_lost += 1
            if is_video or incomplete is None or incomplete.stream_index != stream.index:
                incomplete = packet if is_corrupt else None  # damaged sound harms no picture
            if is_corrupt:
                continue
            if packet.pts is not None:
                shown = packet.pts * packet.time_base
                ends = shown + (packet.duration or 0) * packet.time_base
                progress.ending = max(progress.ending or ends, ends)
                if packet.stream_index == stream.index and not packet.is_discard:
                    progress.shown = max(progress.shown or shown, shown)
            yield packet
    except FFmpegError as error:
        progress.fail(error)
    progress.cut = incomplete is not None


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


def start_of(container: "InputContainer") -> Fraction:
    """Returns the container's start time in seconds, exactly.

    FFmpeg rounds it to microseconds; the stream that it comes from has it unrounded. Rounded, a
    frame could fall just before the time that it is shown at.
    """
    declared = (container.start_time or 0) * _MICROSECOND
    for stream in container.streams:
        if stream.start_time is not None and stream.time_base is not None:
            exact = stream.start_time * stream.time_base
            if abs(exact - declared) <= _MICROSECOND:
                return exact
    return declared


def _declared_duration(container: "InputContainer", stream: "VideoStream") -> Fraction | None:
    """Returns the duration in seconds that the file states, if it states one."""
    if container.duration is None or not _is_one_of(container, _DECLARES_DURATION):
        return None
    duration = container.duration * _MICROSECOND
    if container.format.name == "avi" and stream.time_base is not None:
        # FFmpeg shortens it to what is there; the number of frames stays as it was written.
        duration = max(duration, stream.frames * stream.time_base)
    return duration


def _exact(seconds: float) -> Fraction:
    """Returns the decimal number that was written: 0.1 → 1/10, not the float next to it."""
    return Fraction(repr(float(seconds)))


def _seconds(time: Fraction) -> str:
    return f"{float(time):.1f} s"
