import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from fake_camera import PASSWORD, HttpCamera, RtspCamera, moving_astronaut
from made_video import write_video
from mien.errors import BadInputError, MissingError, UsageError
from mien.inference.read import camera as cameras
from mien.inference.read.camera import Camera, Lost, find_camera, public_name, watch
from mien.inference.results import FrameResult


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(cameras, "LAST_PAUSE_SECONDS", 0.08)


def test_what_names_a_camera() -> None:
    assert find_camera("0") == Camera("camera 0", 0)
    assert find_camera("clip.mp4") == Camera("clip.mp4", Path("clip.mp4"))
    assert find_camera("./0").location == Path("./0")
    assert find_camera("RTSP://door.local/1").location == "RTSP://door.local/1"
    assert [find_camera(text).ends for text in ("1", "a.mp4", "http://a/b")] == [False, True, False]
    with pytest.raises(UsageError, match=r"^ftp://host/clip: expected a device's number, a file, "):
        find_camera("ftp://me:hunter2@host/clip")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtsp://door.local:554/stream1", "rtsp://door.local:554/stream1"),
        ("rtsp://admin:hunter2@door.local/1", "rtsp://door.local/1"),
        ("rtsp://admin:hun@ter2@door.local/1", "rtsp://door.local/1"),
        ("rtsp://admin:hun/ter2@door.local/1", "rtsp://…"),
        ("rtsp://admin:hun?ter2@door.local/1", "rtsp://…"),
        ("rtsp://admin:hun#ter2@door.local/1", "rtsp://…"),
        ("http://door/video.cgi?user=admin&pwd=hunter2", "http://door/video.cgi…"),
        ("http://door/video?pwd=hun@ter2", "http://…"),
        ("rtsp://door/user=admin_password=hunter2_channel=1.sdp", "rtsp://door/user…"),
        ("https://door", "https://door"),
    ],
)
def test_what_may_be_secret_in_an_address_is_not_shown(url: str, name: str) -> None:
    assert public_name(url) == name
    assert "ter2" not in repr(find_camera(url))


def test_a_stream_over_http_gives_its_pictures(stop: threading.Event) -> None:
    with HttpCamera() as http:
        frames = watch(find_camera(http.url), stop)
        first, second, third = (next(frames) for _ in range(3))
    assert isinstance(first, FrameResult)
    assert isinstance(second, FrameResult)
    assert isinstance(third, FrameResult)
    assert [first.frame, second.frame, third.frame] == [0, 1, 2]
    assert 0 == first.time_seconds < second.time_seconds < third.time_seconds
    assert first.rgb.shape == (240, 320, 3)
    differences = [
        np.abs(first.rgb.astype(int) - picture).mean() for picture in moving_astronaut(8, 240, 320)
    ]
    assert min(differences) < 4, "the astronaut, her suit not blue"


@pytest.fixture(scope="module")
def transport_stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("camera") / "door.ts"
    pictures = moving_astronaut(8, 240, 320) * 5
    write_video(path, pictures, [Fraction(index, 25) for index in range(len(pictures))])
    return path.read_bytes()


def test_a_stream_over_rtsp_gives_its_pictures_to_those_who_may(
    stop: threading.Event, transport_stream: bytes
) -> None:
    with RtspCamera(transport_stream) as rtsp:
        place = f"127.0.0.1:{rtsp.port}/1"
        frames = watch(find_camera(f"rtsp://admin:{PASSWORD}@{place}"), stop)
        for index in range(10):
            frame = next(frames)
            assert isinstance(frame, FrameResult)
            assert (frame.frame, frame.rgb.shape) == (index, (240, 320, 3))
        stop.set()
        with pytest.raises(MissingError) as refused:
            next(watch(find_camera(f"rtsp://admin:{PASSWORD}2@{place}"), threading.Event()))
    assert str(refused.value).startswith(f"rtsp://{place}: cannot be opened: ")
    assert "401" in str(refused.value)
    assert PASSWORD not in str(refused.value)


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def files_over_http(tmp_path: Path) -> Iterator[str]:
    """The address under which the files in `tmp_path` are served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_transport_stream_comes_whole(
    stop: threading.Event, transport_stream: bytes, tmp_path: Path, files_over_http: str
) -> None:
    (tmp_path / "door.ts").write_bytes(transport_stream)
    indices = []
    for item in watch(find_camera(f"{files_over_http}/door.ts"), stop):
        if isinstance(item, Lost):
            assert item.error == f"{files_over_http}/door.ts: dropped: the stream ended"
            break
        indices.append(item.frame)
    assert indices == list(range(40))


def test_a_playlist_from_the_network_opens_no_file_of_this_machine(
    stop: threading.Event, transport_stream: bytes, tmp_path: Path, files_over_http: str
) -> None:
    (tmp_path / "door.ts").write_bytes(transport_stream)
    for place in (f"{files_over_http}/door.ts", f"file://{tmp_path}/door.ts"):
        words = ("#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:1.6,", place, "#EXT-X-ENDLIST")
        (tmp_path / "list.m3u8").write_text("\n".join(words))
        items = watch(find_camera(f"{files_over_http}/list.m3u8"), stop)
        if place.startswith("http"):
            assert isinstance(next(items), FrameResult)
        else:
            with pytest.raises(MissingError, match=r"list\.m3u8: cannot be opened: "):
                next(items)


@pytest.mark.usefixtures("impatient")
def test_a_stream_that_drops_is_found_again(stop: threading.Event) -> None:
    with HttpCamera() as http:
        frames = watch(find_camera(http.url), stop)
        before = [next(frames) for _ in range(3)][-1]
    losses = []
    while len(losses) < 5:
        item = next(frames)
        if isinstance(item, Lost):
            losses.append(item)
        else:
            before = item  # was on its way
    name = f"http://127.0.0.1:{http.port}/video…"
    assert losses[0].error.startswith(f"{name}: dropped: ")
    assert losses[1].error == f"{name}: cannot be opened: Connection refused"
    assert [loss.pause_seconds for loss in losses] == [0.02, 0.04, 0.08, 0.08, 0.08]
    with HttpCamera(http.port):
        while isinstance(item := next(frames), Lost):
            pass
        assert isinstance(before, FrameResult)
        assert item.frame == before.frame + 1
        assert item.time_seconds > before.time_seconds
        stop.set()
        assert list(frames) == []


@pytest.mark.usefixtures("impatient")
def test_a_stream_that_falls_silent_counts_as_dropped(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "_READ_SECONDS", 0.3)
    with HttpCamera(num_frames=20) as http:
        items = watch(find_camera(http.url), stop)
        while not isinstance(item := next(items), Lost):
            pass
        assert item.error.endswith("dropped: no answer")
        assert isinstance(next(items), FrameResult), "it was asked again"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("9876", r"^camera 9876: "),
        ("nowhere.mp4", r"^nowhere\.mp4: no such file$"),
        (
            f"http://me:{PASSWORD}@127.0.0.1:1/v",
            r"^http://127\.0\.0\.1:1/v: cannot be opened: Connection refused$",
        ),
        (
            f"rtsp://me:{PASSWORD}@127.0.0.1:1/v",
            r"^rtsp://127\.0\.0\.1:1/v: cannot be opened: Connection refused$",
        ),
    ],
)
def test_a_camera_that_is_missing_is_named(
    place: str, message: str, stop: threading.Event, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MissingError, match=message):
        next(watch(find_camera(place), stop))
    assert capfd.readouterr() == ("", ""), "OpenCV and FFmpeg say nothing of their own"


def test_a_file_comes_at_its_own_pace(tmp_path: Path, stop: threading.Event) -> None:
    path = tmp_path / "clip.mp4"
    times = [Fraction(0), Fraction(1, 10), Fraction(4, 10)]
    write_video(path, moving_astronaut(3, 48, 64), times)
    began = time.monotonic()
    seen = []
    for frame in watch(find_camera(str(path)), stop):
        assert isinstance(frame, FrameResult)
        assert time.monotonic() - began >= frame.time_seconds
        seen.append((frame.frame, frame.time_seconds))
    assert seen == [(0, 0.0), (1, 0.1), (2, 0.4)]


def test_stopping_does_not_wait_for_the_next_frame(tmp_path: Path, stop: threading.Event) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, moving_astronaut(2, 48, 64), [Fraction(0), Fraction(3600)])
    frames = watch(find_camera(str(path)), stop)
    next(frames)
    threading.Timer(0.05, stop.set).start()
    assert list(frames) == []


def test_a_file_that_is_no_video_is_an_error(tmp_path: Path, stop: threading.Event) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video")
    with pytest.raises(BadInputError, match=r"notes\.mp4: text, not a video"):
        next(watch(find_camera(str(path)), stop))


class Device:
    """Stands for OpenCV's: gives two blue pictures each time it is opened."""

    opened: list["Device"] = []  # noqa: RUF012 (emptied by the fixture)

    def __init__(self, number: int) -> None:
        self.number, self.num_left, self.is_released = number, 2, False
        Device.opened.append(self)

    def isOpened(self) -> bool:
        return len(Device.opened) != 2  # the second time, another program has it

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.num_left -= 1
        if self.num_left < 0:
            return False, None
        return True, np.full((4, 6, 3), (255, 0, 0), np.uint8)  # BGR

    def release(self) -> None:
        self.is_released = True


@pytest.mark.usefixtures("impatient")
def test_a_device_gives_rgb_and_is_opened_again(
    stop: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Device)
    monkeypatch.setattr(Device, "opened", [])
    items = watch(find_camera("3"), stop)
    frames = [next(items), next(items)]
    losses = [next(items), next(items)]
    again = next(items)
    assert isinstance(again, FrameResult)
    assert again.frame == 2
    assert again.rgb[0, 0].tolist() == [0, 0, 255]
    assert all(isinstance(frame, FrameResult) for frame in frames)
    assert [loss.error.partition(":")[0] for loss in losses if isinstance(loss, Lost)] == [
        "camera 3",
        "camera 3",
    ]
    assert [device.number for device in Device.opened] == [3, 3, 3]
    assert [device.is_released for device in Device.opened] == [True, True, False]
