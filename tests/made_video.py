"""Videos made for tests: pictures and their exact times → a file."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

TICK = Fraction(1, 90_000)
SOUND_RATE = 48_000


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    times_seconds: Sequence[Fraction],
    *,
    rotation: int = 0,
    hflip: bool = False,
    audio: bool = False,
    faststart: bool = False,
    codec: str = "libx264",
    b_frames: int = 0,
    key_every: int = 12,
    last_seconds: Fraction = Fraction(1, 25),
    rate: int = 1000,
) -> None:
    """Writes RGB pictures, each shown from its own time on (as exact as the container's clock).

    Args:
        path: Where to; its ending says which container.
        pictures: uint8 `[H, W, 3]`, all of one even size.
        times_seconds: One for each picture, growing; the first may be later than 0.
        rotation: Degrees counterclockwise that players turn the pictures by: PyAV's
            `VideoStream.set_display_rotation`, which MP4 and QuickTime store in the track header.
        hflip: Whether players also mirror the pictures.
        audio: Adds a sine tone from 0 s to the end, in AAC (AVI: PCM).
        faststart: Puts an MP4's index before its pictures.
        codec: FFmpeg's name of the encoder.
        b_frames: Up to so many frames in a row that are stored after later ones.
        key_every: Frames from one key frame to the next.
        last_seconds: How long the last picture is shown.
        rate: The nominal frame rate; AVI places frames by it alone.
    """
    import av

    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = key_every
        stream.codec_context.max_b_frames = b_frames
        if codec == "libx264":
            stream.options = {"preset": "ultrafast", "qp": "10", "bf": str(b_frames)}
        else:
            stream.codec_context.bit_rate = 2_000_000
        exact = path.suffix != ".avi" and codec in ("libx264", "libvpx")
        clock = TICK if exact else Fraction(1, rate)
        stream.codec_context.time_base = clock
        if rotation or hflip:
            stream.set_display_rotation(rotation, hflip=hflip)
        # AAC begins before 0, by which AVI's writer would move the pictures: PCM there.
        kind = "pcm_s16le" if path.suffix == ".avi" else "aac"
        sound = container.add_stream(kind, rate=SOUND_RATE, layout="mono") if audio else None
        until = times_seconds[-1] + last_seconds
        lasting = [
            after - time
            for time, after in zip(times_seconds, [*times_seconds[1:], until], strict=True)
        ]
        written = 0
        for picture, time, duration in zip(pictures, times_seconds, lasting, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(time / clock), clock
            frame.duration = round(duration / clock)
            container.mux(stream.encode(frame))
            if sound is not None:
                written = _write_tone(container, sound, written, time + duration)
        container.mux(stream.encode(None))
        if sound is not None:
            container.mux(sound.encode(None))


def _write_tone(container, stream, written: int, until: Fraction) -> int:
    """Returns how many samples of the tone are written once it lasts until then."""
    import av

    while written < until * SOUND_RATE:
        angles = np.arange(written, written + 1024) * (2 * np.pi * 440 / SOUND_RATE)
        samples = (0.3 * np.sin(angles)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, written, Fraction(1, SOUND_RATE)
        container.mux(stream.encode(frame))
        written += 1024
    return written
