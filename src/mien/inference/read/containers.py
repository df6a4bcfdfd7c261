"""Files → opened containers: what is a video, what can be read of it. Needs PyAV."""

import errno
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from mien.errors import BadInputError, MienError, MissingError, PassingError

if TYPE_CHECKING:  # PyAV is slow to import: functions import it when they need it
    from av.container import InputContainer

_SUFFIXES = (
    "mp4 m4v mov qt 3gp 3g2 f4v avi mkv webm mpg mpeg m2v vob wmv asf flv ts mts m2ts ogv ogm "
    "h264 264 h265 265 hevc"
)
VIDEO_SUFFIXES = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
"""The endings, in lower case, that mark a file in a folder as a video."""


# Without the list a "video" may be a playlist that makes FFmpeg open other files, or a picture.
_CONTAINERS = "mov,mp4,matroska,webm,avi,flv,asf,mpeg,mpegvideo,mpegts,m4v,h264,hevc,ogg"
_PASSING_NAMES = "EIO EACCES EPERM ENOENT ESTALE ETIMEDOUT ENODEV ENXIO EMFILE ENFILE EREMOTEIO"
# What the system says of a file, not FFmpeg of what is in it.
PASSING = frozenset(getattr(errno, name, None) for name in _PASSING_NAMES.split()) - {None}
MICROSECOND = Fraction(1, 1_000_000)

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
        if getattr(error, "errno", None) in PASSING:
            raise PassingError(f"{path}: cannot be read: {reason_of(error)}") from error
        raise BadInputError(f"{path}: {_kind(path)}") from error


def duration_of(path: Path) -> float | None:
    """Returns how long a video says it is, in seconds; None if it does not, or is no video."""
    try:
        with open_video(path) as container:
            duration = container.duration
    except MienError:
        return None
    return None if duration is None else max(0.0, float(duration * MICROSECOND))


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


def start_of(container: "InputContainer") -> Fraction:
    """Returns the container's start time in seconds, exactly.

    FFmpeg rounds it to microseconds; the stream that it comes from has it unrounded. Rounded, a
    frame could fall just before the time that it is shown at.
    """
    declared = (container.start_time or 0) * MICROSECOND
    for stream in container.streams:
        if stream.start_time is not None and stream.time_base is not None:
            exact = stream.start_time * stream.time_base
            if abs(exact - declared) <= MICROSECOND:
                return exact
    return declared


def reason_of(error: Exception) -> str:
    """Returns what the system or FFmpeg says, without the file's name."""
    return getattr(error, "strerror", None) or str(error)


def _kind(path: Path) -> str:
    """Says what a file that is no video seems to be."""
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError as error:
        raise PassingError(f"{path}: cannot be read: {reason_of(error)}") from error
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp":
        return "its index is missing or damaged: cut short, or never finished"
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "text, not a video"
    return "not a video of a known kind (MP4, QuickTime, Matroska, WebM, AVI, ...), or damaged"
