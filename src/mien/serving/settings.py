"""The service's limits and what it says of itself."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """What a service takes, and from whom.

    Attributes:
        model: As it was asked for: `default`, a folder or a run; clients learn its last part.
        detector: Likewise.
        api_key: What clients must show; None lets everybody in.
        local_only: The address is a loopback one, so requests must name this machine as their
            host: else a web page elsewhere could have its name point here (DNS rebinding).
        max_bytes: Of one request's body, and of one message of a stream. One picture may fill it;
            several share it.
        max_pixels: Width x height of the pictures of one request, refused before they are decoded.
        decode_seconds: How long a picture may take to be decoded.
        decode_megabytes: How much memory that may need, where the system can limit it.
        max_faces: Read in one picture, the most certain detections.
        max_files: Pictures in one request.
        max_clients: Requests and streams at a time; further ones are told to come back.
        body_seconds: How long a body may take, and as much longer as it has brought bytes at
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
