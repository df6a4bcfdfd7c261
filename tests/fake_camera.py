"""Cameras for tests: moving pictures of the astronaut, for Chromium and over HTTP."""

import base64
import contextlib
import io
import math
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import IO

import cv2
import numpy as np
from PIL import Image
from skimage.data import astronaut

BOUNDARY = "frame"
PASSWORD = "hunter2"


def moving_astronaut(num_frames: int, height: int, width: int) -> list[np.ndarray]:
    """Returns RGB pictures of the astronaut, who moves in a circle; `height` is 3/4 of `width`."""
    pictures = []
    for index in range(num_frames):
        angle = 2 * math.pi * index / num_frames
        left, top = round(32 + 16 * math.cos(angle)), round(12 + 10 * math.sin(angle))
        crop = astronaut()[top : top + 336, left : left + 448]
        pictures.append(np.array(Image.fromarray(crop).resize((width, height))))
    return pictures


def write_y4m(path: Path, pictures: list[np.ndarray], rate: int = 8) -> None:
    """Writes RGB pictures of even sides as Chromium's fake camera takes them; it repeats them."""
    height, width = pictures[0].shape[:2]
    with path.open("wb") as stream:
        stream.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420mpeg2\n".encode())
        for picture in pictures:
            stream.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())


class HttpCamera:
    """A network camera as many are: JPEG after JPEG over HTTP.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, port: int = 0, num_frames: int | None = None) -> None:
        """Begins to serve.

        Args:
            port: 0: a free one.
            num_frames: After so many it falls silent, without hanging up; None: never.
        """
        self._num_frames = num_frames
        self._dropped = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
                self.end_headers()
                try:
                    for part in camera._parts():
                        self.wfile.write(part)
                except OSError:
                    pass  # the reader has left

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = False  # so that closing waits for them
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Its address, with a password in it."""
        return f"http://admin:{PASSWORD}@127.0.0.1:{self.port}/video?token={PASSWORD}"

    def drop(self) -> None:
        """Hangs up, and answers no more."""
        self._dropped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "HttpCamera":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def _parts(self) -> Iterator[bytes]:
        files = []
        for picture in moving_astronaut(8, 240, 320):
            stream = io.BytesIO()
            Image.fromarray(picture).save(stream, "JPEG", quality=90)
            files.append(stream.getvalue())
        index = 0
        while not self._dropped.wait(1 / 25):
            if index == self._num_frames:
                self._dropped.wait()
                return
            content = files[index % len(files)]
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}"
            yield f"{head}\r\n\r\n".encode() + content + b"\r\n"
            index += 1


class RtspCamera:
    """A network camera that speaks RTSP over TCP, to those who know its password (Basic).

    It sends an MPEG transport stream (RTP's payload type 33) once, paced, then falls silent.

    Attributes:
        port: Where it listens.
    """

    _SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=door\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\n"

    def __init__(self, transport_stream: bytes) -> None:
        """Begins to serve the contents of a `.ts` file."""
        camera = self
        self._content = transport_stream
        self._dropped = threading.Event()

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    while line := self.rfile.readline().decode():
                        headers = {}
                        while field := self.rfile.readline().decode().strip():
                            name, _, value = field.partition(":")
                            headers[name.lower()] = value.strip()
                        camera._answer(self, line.split()[0], headers)

        self._server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> "RtspCamera":
        return self

    def __exit__(self, *_: object) -> None:
        self._dropped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, client: StreamRequestHandler, method: str, headers: dict[str, str]) -> None:
        known = f"Basic {base64.b64encode(f'admin:{PASSWORD}'.encode()).decode()}"
        status, more, body = "200 OK", "Session: 1\r\n", ""
        if method == "OPTIONS":
            more = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif headers.get("authorization") != known:
            status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="door"\r\n'
        elif method == "DESCRIBE":
            body = self._SDP
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        head = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{more}\r\n"
        client.wfile.write((head + body).encode())
        if method == "PLAY" and status == "200 OK":
            threading.Thread(target=self._play, args=(client.wfile,), daemon=True).start()

    def _play(self, stream: IO[bytes]) -> None:
        size = 7 * 188
        with contextlib.suppress(OSError, ValueError):
            for number, start in enumerate(range(0, len(self._content), size)):
                packet = struct.pack("!BBHII", 0x80, 33, number & 0xFFFF, number * 900, 1)
                packet += self._content[start : start + size]
                stream.write(b"$\0" + struct.pack("!H", len(packet)) + packet)
                if self._dropped.wait(0.005):
                    return
