"""The settings of a service: model, key and limits."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """The model, the key and the limits of a service.

    Attributes:
        model: The model's name as the user gave it; clients see the last part of its path.
        detector: The detector's name.
        api_key: The key that clients must send; None needs no key.
        local_only: The service listens on a loopback address. Then the `Host` of a request must be
            this machine, else a web page could reach it by DNS rebinding.
        max_bytes: The most bytes of one request's body, all pictures together, and of one message
            of a stream.
        max_pixels: The most pixels (width x height) of all pictures of one request; checked before
            they are decoded.
        decode_seconds: How long decoding one picture may take.
        decode_megabytes: How much memory decoding may take, where the system can limit it.
        max_faces: The most faces read in one picture: the most certain detections.
        max_files: The most pictures in one request.
        max_clients: The most requests and streams at a time; further ones are answered 429.
        body_seconds: How long receiving a body may take, plus the time that its bytes need at
            `uploads.MIN_BYTES_PER_SECOND`.
        answer_seconds: How long a request may wait for its answer, or a video be read.
        max_video_bytes: Of a video's file.
        max_video_seconds: Of a video, from its beginning; what follows is left out.
        max_videos: Read at a time, one for each address that asks.
        video_step_seconds: From one frame of a video that is read to the next.
        video_megabytes: How much memory decoding a video may need, where the system can limit it.
        idle_seconds: How long a stream may send nothing, or leave an answer unread.
    """

    model: str = "default"
    detector: str = "retinaface"
    api_key: str | None = field(default=None, repr=False)
    local_only: bool = True
    max_bytes: int = 10_000_000
    max_pixels: int = 40_000_000
    decode_seconds: float = 5.0
    decode_megabytes: int = 500
    max_faces: int = 64
    max_files: int = 16
    max_clients: int = 64
    body_seconds: float = 10.0
    answer_seconds: float = 120.0
    idle_seconds: float = 60.0
    max_video_bytes: int = 100_000_000
    max_video_seconds: float = 300.0
    max_videos: int = 2
    video_step_seconds: float = 0.2
    video_megabytes: int = 2000
