import gc
import os
import subprocess
import sys
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from made_video import write_video
from mien.errors import BadInputError, MissingError, UsageError
from mien.inference.read import decoding
from mien.inference.read.sampling import Sampling, parse_every, parse_time
from mien.inference.read.video import read_frames

RED, GREY = (250, 20, 20), 60
UNEVEN = [Fraction(time) for time in ("0", "1/25", "1/10", "1/3", "2/3", "1", "31/30", "5/2")]
EVEN = [Fraction(index, 25) for index in range(50)]


def grey_pictures(count: int) -> list[np.ndarray]:
    """Pictures that tell their place: its grey is 4 x index + 10; the top left corner is red."""
    pictures = []
    for index in range(count):
        picture = np.full((48, 64, 3), 4 * index + 10, np.uint8)
        picture[:16, :16] = RED
        pictures.append(picture)
    return pictures


def noise(count: int) -> list[np.ndarray]:
    """Pictures that take up much room in a file, so that one can be cut in the middle of them."""
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(count)]


def seen_index(rgb: np.ndarray) -> int:
    return round((float(rgb[24:40, 24:56].mean()) - 10) / 4)


def read_until_error(path: Path, sampling: Sampling | None = None) -> tuple[list[float], str]:
    times = []
    frames = read_frames(path, sampling)
    with pytest.raises(BadInputError) as caught:
        while True:
            times.append(next(frames).time_seconds)
    assert str(path) in str(caught.value)
    return times, str(caught.value)


@pytest.fixture(scope="module")
def even(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "even.mp4"
    write_video(path, grey_pictures(50), EVEN, b_frames=2)
    return path


def test_importing_it_does_not_import_pyav() -> None:
    code = "import sys, mien.inference.read.video; assert 'av' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_times_are_the_files_own_to_the_millisecond(
    tmp_path: Path, suffix: str, b_frames: int
) -> None:
    path = tmp_path / f"uneven{suffix}"
    write_video(path, grey_pictures(8), UNEVEN, b_frames=b_frames)
    frames = list(read_frames(path))
    assert [frame.frame for frame in frames] == list(range(8))
    assert [seen_index(frame.rgb) for frame in frames] == list(range(8))
    assert [frame.time_seconds for frame in frames] == pytest.approx(UNEVEN, abs=0.001)
    assert frames[0].rgb.shape == (48, 64, 3) and frames[0].rgb.dtype == np.uint8
    assert frames[0].rgb.flags.c_contiguous


@pytest.mark.parametrize("audio", [False, True])
def test_the_beginning_is_where_the_file_begins(tmp_path: Path, audio: bool) -> None:
    path = tmp_path / "late.mp4"
    late = [time + Fraction(1, 5) for time in UNEVEN]
    write_video(path, grey_pictures(8), late, audio=audio)
    # With sound from 0 s on the pictures begin 0.2 s later; alone they are the beginning.
    expected = late if audio else UNEVEN
    times = [frame.time_seconds for frame in read_frames(path)]
    assert times == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_avi(tmp_path: Path, codec: str, b_frames: int) -> None:
    path = tmp_path / "even.avi"
    write_video(path, grey_pictures(50), EVEN, codec=codec, b_frames=b_frames, rate=25)
    frames = list(read_frames(path))
    assert [frame.time_seconds for frame in frames] == pytest.approx(EVEN, abs=0.001)
    assert [seen_index(frame.rgb) for frame in frames] == list(range(50))


def test_webm(tmp_path: Path) -> None:
    path = tmp_path / "uneven.webm"
    write_video(path, grey_pictures(8), UNEVEN, codec="libvpx")
    assert [f.time_seconds for f in read_frames(path)] == pytest.approx(UNEVEN, abs=0.001)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(every_frames=20), [0, 20, 40]),
        (Sampling(every_frames=20, start_seconds=0.4), [10, 30]),
        (Sampling(start_seconds=0.41, end_seconds=0.52), [11, 12]),
        (Sampling(start_seconds=0.4, end_seconds=0.48), [10, 11]),
        (Sampling(every_seconds=0.2), list(range(0, 50, 5))),
        (Sampling(every_seconds=0.3), [0, 8, 15, 23, 30, 38, 45]),  # 0, 0.32, 0.6, 0.92, ...
        (Sampling(every_seconds=0.5, start_seconds=0.1, end_seconds=1.9), [3, 15, 28, 40]),
        (Sampling(every_seconds=0.01, end_seconds=0.2), [0, 1, 2, 3, 4]),
        (Sampling(every_seconds=100), [0]),
    ],
)
def test_sampling(even: Path, sampling: Sampling, expected: list[int]) -> None:
    frames = list(read_frames(even, sampling))
    assert [frame.frame for frame in frames] == expected
    assert [seen_index(frame.rgb) for frame in frames] == expected
    assert [frame.time_seconds for frame in frames] == [index / 25 for index in expected]


def test_the_grid_goes_on_after_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "uneven.mp4"
    write_video(path, grey_pictures(8), UNEVEN)
    indices = [frame.frame for frame in read_frames(path, Sampling(every_seconds=0.5))]
    assert indices == [0, 4, 5, 7]  # at or after 0, 0.5, 1, then 1.5, 2 and 2.5 at once


def test_a_start_behind_the_end(even: Path) -> None:
    with pytest.raises(BadInputError, match=r"no frame from 9 s on; the last one .* at 2\.0 s"):
        list(read_frames(even, Sampling(start_seconds=9)))


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_are_upright(tmp_path: Path, rotation: int, hflip: bool) -> None:
    upright = np.full((64, 48, 3) if rotation % 180 else (48, 64, 3), GREY, np.uint8)
    upright[:16, :16] = RED
    # Stored is what a player turns counterclockwise, and then mirrors, to be upright.
    shown = upright[:, ::-1] if hflip else upright
    stored = np.rot90(shown, -rotation // 90)
    path = tmp_path / "turned.mp4"
    write_video(path, [stored] * 3, EVEN[:3], rotation=rotation, hflip=hflip)
    for frame in read_frames(path):
        assert frame.rgb.shape == upright.shape and frame.rgb.flags.c_contiguous
        assert np.abs(frame.rgb.astype(int) - upright)[:, :12].mean() < 5
        assert np.abs(frame.rgb.astype(int) - upright)[20:, 20:].mean() < 5


@pytest.mark.parametrize(
    ("aspect", "shape"), [(Fraction(3, 2), (48, 96)), (Fraction(3, 4), (64, 64)), (None, (48, 64))]
)
def test_pixels_are_square(tmp_path: Path, aspect: Fraction | None, shape: tuple[int, int]) -> None:
    import av

    path = tmp_path / "wide.mp4"
    stored = np.full((48, 64, 3), GREY, np.uint8)
    stored[:24, :32] = RED
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, "rgb24")))
        container.mux(stream.encode(None))
    (frame,) = read_frames(path)
    assert frame.rgb.shape == (*shape, 3)
    middle_y, middle_x = shape[0] // 2, shape[1] // 2
    assert np.abs(frame.rgb[: middle_y - 3, : middle_x - 3].astype(int) - RED).mean() < 8
    assert np.abs(frame.rgb[:, middle_x + 3 :].astype(int) - GREY).mean() < 8


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("audio", [False, True])
def test_a_file_cut_short_gives_its_frames_and_then_the_error(
    tmp_path: Path, suffix: str, audio: bool
) -> None:
    path = tmp_path / f"cut{suffix}"
    write_video(path, noise(50), EVEN, faststart=suffix == ".mp4", audio=audio, rate=25)
    os.truncate(path, path.stat().st_size * 6 // 10)
    times, message = read_until_error(path)
    assert 25 <= len(times) <= 35
    assert times == pytest.approx(EVEN[: len(times)], abs=0.001)
    assert "ends at 1." in message and "of 2.0 s: truncated" in message.replace("2.1", "2.0")
    early = list(read_frames(path, Sampling(end_seconds=0.8)))
    assert len(early) == 20  # the cut lies behind what is wanted


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(("num_bytes", "least"), [(40, 150), (15_000, 120)])
def test_behind_damage_it_goes_on_at_the_next_key_frame(
    tmp_path: Path, suffix: str, num_bytes: int, least: int
) -> None:
    path = tmp_path / f"damaged{suffix}"
    soft = np.random.default_rng(0).integers(0, 32, (200, 120, 160, 1), np.uint8)
    pictures = [(picture + number).repeat(3, axis=2) for number, picture in enumerate(soft)]
    write_video(path, pictures, [Fraction(n, 25) for n in range(200)], rate=25)
    content = bytearray(path.read_bytes())
    quarter = len(content) // 4
    random = np.random.default_rng(0).integers(0, 256, num_bytes, dtype=np.uint8)
    content[quarter : quarter + num_bytes] = random.tobytes()
    path.write_bytes(content)
    read = list(read_frames(path))
    frames = [item for item in read if item.error is None]
    gaps = [item.error for item in read if item.error is not None]
    assert least <= len(frames)
    assert frames[-1].time_seconds == pytest.approx(199 / 25, abs=0.001)
    if suffix != ".mkv":  # its reader finds its way again by itself, and does not tell
        assert 1 <= len(gaps) <= 3
    assert all(f"{path}: damaged from " in error for error in gaps)
    for frame in frames:  # none is broken, and each has its number
        shown = pictures[round(frame.time_seconds * 25)]
        assert np.abs(frame.rgb.astype(int) - shown).mean() < 6
        assert suffix == ".mkv" or abs(frame.frame - frame.time_seconds * 25) < 3


def test_where_no_key_frame_comes_any_more_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "damaged.mp4"
    write_video(path, noise(50), EVEN, key_every=50)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    times, message = read_until_error(path)
    assert 15 <= len(times) <= 28
    assert f"damaged after {times[-1]:.1f} s of 2.0 s" in message


@pytest.mark.parametrize("audio", [False, True])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_recordings_laid_end_to_end_are_one(tmp_path: Path, b_frames: int, audio: bool) -> None:
    parts = []
    for number in range(2):
        part = tmp_path / f"{number}.ts"
        pictures = [np.full((48, 64, 3), 100 * number + 3 * n, np.uint8) for n in range(30)]
        times = [Fraction(n, 25) for n in range(30)]
        write_video(part, pictures, times, b_frames=b_frames, audio=audio, rate=25)
        parts.append(part.read_bytes())
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    frames = list(read_frames(path))
    assert all(frame.error is None for frame in frames)
    values = [frame.rgb.mean() for frame in frames if frame.error is None]
    wanted = [100 * number + 3 * n for number in range(2) for n in range(30)]
    assert values == pytest.approx(wanted, abs=4)
    times = [frame.time_seconds for frame in frames if frame.error is None]
    assert times == pytest.approx([times[0] + n / 25 for n in range(60)], abs=0.002)


def test_a_file_without_its_index(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    write_video(path, noise(10), EVEN[:10])
    os.truncate(path, path.stat().st_size * 7 // 10)
    times, message = read_until_error(path)
    assert not times and "its index is missing" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "the file is empty"),
        (b"these are words\n" * 99, "text, not a video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.ts\n", "text, not a video"),
        (bytes(range(256)) * 9, "not a video of a known kind"),
    ],
)
def test_what_is_no_video(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "no.mp4"
    path.write_bytes(content)
    times, message = read_until_error(path)
    assert not times and expected in message


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(BadInputError, match="no video stream"):
        next(read_frames(path))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"gone\.mp4: no such file"):
        next(read_frames(tmp_path / "gone.mp4"))
    with pytest.raises(BadInputError, match="is a folder"):
        next(read_frames(tmp_path))


def test_names_that_look_like_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("http:é %d.mp4")
    write_video(tmp_path / "plain.mp4", grey_pictures(3), EVEN[:3])
    Path("plain.mp4").rename(path)
    assert len(list(read_frames(path))) == 3


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are seen in /proc")
def test_closing_early_releases_the_file(even: Path) -> None:
    def is_open() -> bool:
        links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
        return any(os.path.realpath(link) == str(even.resolve()) for link in links)

    frames = read_frames(even)
    assert [frame.frame for frame in islice(frames, 2)] == [0, 1]
    assert is_open()
    frames.close()
    assert not is_open()
    frames = read_frames(even)
    next(frames)
    del frames
    gc.collect()
    assert not is_open()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are seen in /proc")
def test_reading_leaves_no_threads_behind(even: Path) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    assert len(list(read_frames(even))) == 50
    before = count()
    for _ in range(5):
        assert len(list(read_frames(even))) == 50
    assert count() <= before


def test_parse_every() -> None:
    assert parse_every("3") == (3, None)
    assert parse_every("0.5s") == (1, 0.5)
    assert parse_every(" 2 s ") == (1, 2.0)
    assert Sampling(*parse_every(".25s")).every_seconds == 0.25


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "1.5", "s", "nans", "3 frames", "1e3s"])
def test_parse_every_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="frames like 3, or seconds like"):
        parse_every(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("1:30", 90), ("1:02:03.5", 3723.5), ("0", 0), (".5", 0.5), ("90:00", 5400)],
)
def test_parse_time(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1:60", "1:70:00", "1:2:3:4", "nan", "5s", "1:", ":1"])
def test_parse_time_refuses(text: str) -> None:
    with pytest.raises(UsageError, match="expected a time like"):
        parse_time(text)


@pytest.mark.parametrize(
    "settings",
    [
        {"every_frames": 0},
        {"every_seconds": 0.0},
        {"every_seconds": float("nan")},
        {"every_frames": 2, "every_seconds": 1.0},
        {"start_seconds": -1.0},
        {"start_seconds": 2.0, "end_seconds": 2.0},
        {"end_seconds": float("inf")},
    ],
)
def test_samplings_that_make_no_sense(settings: dict) -> None:
    with pytest.raises(UsageError, match="expected"):
        Sampling(**settings)


def test_times_that_go_back_are_damage(even: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = decoding._decode

    def twice(*arguments):
        frames = list(decode(*arguments))
        yield from frames[:4]
        yield from frames[2:]

    monkeypatch.setattr(decoding, "_decode", twice)
    times, message = read_until_error(even)
    assert times == [0, 0.04, 0.08, 0.12]
    assert "after 0.1 s of 2.0 s (its times go back to 0.1 s)" in message
