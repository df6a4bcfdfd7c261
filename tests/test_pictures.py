import contextlib
import io
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mien.errors import BadInputError, MissingError
from mien.pictures import PICTURE_SUFFIXES, read_picture, resize, to_grey

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiny_video() -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "JPEG2000"])
def test_colours_survive_in_lossless_kinds(kind: str) -> None:
    pixels = noise(5, 7)
    assert np.array_equal(read_picture(encode(Image.fromarray(pixels), kind)), pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_red_stays_red_in_lossy_kinds(kind: str) -> None:
    rgb = read_picture(encode(Image.new("RGB", (16, 16), RED), kind, quality=95))
    assert np.abs(rgb.astype(int) - RED).max() < 12


# Where a stored picture's first row and column are shown, by the EXIF standard's table.
@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (1, [[0, 1, 2], [3, 4, 5]]),
        (2, [[2, 1, 0], [5, 4, 3]]),
        (3, [[5, 4, 3], [2, 1, 0]]),
        (4, [[3, 4, 5], [0, 1, 2]]),
        (5, [[0, 3], [1, 4], [2, 5]]),
        (6, [[3, 0], [4, 1], [5, 2]]),
        (7, [[5, 2], [4, 1], [3, 0]]),
        (8, [[2, 5], [1, 4], [0, 3]]),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])  # Pillow itself turns the second
def test_exif_orientation_is_applied_once(
    kind: str, orientation: int, shown: list[list[int]]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    rgb = read_picture(encode(Image.fromarray(stored), kind, exif=exif))
    assert rgb[..., 0].tolist() == shown


def test_a_damaged_exif_block_does_not_cost_the_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = bytearray(encode(Image.new("RGB", (8, 4), RED), "JPEG", exif=exif))
    start = content.index(b"Exif\0\0") + 6
    content[start : start + 8] = b"\xff" * 8
    assert read_picture(bytes(content)).shape == (4, 8, 3)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    levels = np.array([[0, 257, 32768, 65535]], np.uint16)
    expected = [0, 1, 128, 255]  # level / 257, rounded
    for kind in ("PNG", "TIFF"):
        rgb = read_picture(encode(Image.fromarray(levels), kind))
        assert rgb[0, :, 0].tolist() == expected
    pgm = b"P5\n4 1\n65535\n" + levels.astype(">u2").tobytes()
    assert read_picture(pgm)[0, :, 2].tolist() == expected


@pytest.mark.parametrize(
    ("levels", "dtype"),
    [([0, 1, 2048, 4095], np.uint16), ([0, 1, 511, 1023], np.uint16), ([0, 0, 128, 255], np.int32)],
)
def test_fewer_bits_than_the_file_has_room_for_are_not_black(
    levels: list[int], dtype: type
) -> None:
    rgb = read_picture(encode(Image.fromarray(np.array([levels], dtype)), "TIFF"))
    assert rgb[0, :, 0].tolist() == [0, 0, pytest.approx(128, abs=1), 255]


def test_grey_palette_bilevel_and_cmyk_become_rgb() -> None:
    red = Image.new("RGB", (4, 4), RED)
    assert read_picture(encode(red.convert("P"), "PNG"))[0, 0].tolist() == list(RED)
    assert read_picture(encode(red.convert("P"), "GIF"))[0, 0].tolist() == list(RED)
    assert read_picture(encode(red.convert("L"), "PNG"))[0, 0].tolist() == [76, 76, 76]
    assert read_picture(encode(Image.new("1", (4, 4), 1), "PNG"))[0, 0].tolist() == list(WHITE)
    assert read_picture(encode(red.convert("CMYK"), "TIFF"))[0, 0].tolist() == list(RED)
    jpeg = read_picture(encode(red.convert("CMYK"), "JPEG"))[0, 0]
    assert np.abs(jpeg.astype(int) - RED).max() < 8


def test_transparent_pixels_are_laid_on_white() -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 2] = 255  # blue
    pixels[0, :, 3] = 0, 128, 255
    rgb = read_picture(encode(Image.fromarray(pixels), "PNG"))
    assert rgb[0].tolist() == [list(WHITE), [127, 127, 255], list(BLUE)]
    palette = Image.new("P", (1, 1), 0)
    palette.putpalette([0, 0, 0])
    assert read_picture(encode(palette, "PNG", transparency=0))[0, 0].tolist() == list(WHITE)


def test_contents_decide_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(encode(Image.new("RGB", (3, 2), GREEN), "PNG"))
    assert read_picture(path).tolist() == [[list(GREEN)] * 3] * 2
    assert read_picture(str(path)).shape == (2, 3, 3)


def test_one_pixel_is_a_picture() -> None:
    assert read_picture(encode(Image.new("RGB", (1, 1), BLUE), "PNG")).tolist() == [[list(BLUE)]]


def tiff_with_a_fraction_for_a_place() -> bytes:
    """The tag that says where the pixels are (StripOffsets, 273) is of the type RATIONAL (5)."""
    content = encode(Image.new("RGB", (8, 8)), "TIFF")
    entry = content.index(struct.pack("<H", 273), struct.unpack("<I", content[4:8])[0])
    return content[: entry + 2] + struct.pack("<H", 5) + content[entry + 4 :]


JPEG = encode(Image.fromarray(noise(64, 64)), "JPEG")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"dear diary,\n", "text, not a picture"),
        (bytes(300), "not a picture of a known kind"),
        (JPEG[: len(JPEG) // 2], "damaged or cut short"),
        (JPEG[:30], "damaged or cut short"),
        (tiff_with_a_fraction_for_a_place(), "damaged or cut short"),
        (png_claiming(20_000, 20_000), "more than 100 megapixels"),
        (png_claiming(10_000, 10_001), "10000 x 10001 pixels, more than 100 megapixels"),
        (tiny_video(), "a video, not a picture"),
        (b"\x1aE\xdf\xa3" + bytes(50), "a video, not a picture"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "HEIC"),
        (encode(Image.new("F", (2, 2), 0.5), "TIFF"), "floating-point"),
    ],
)
def test_what_is_no_picture_is_named_with_the_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=reason) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(BadInputError, match=f"^upload 3: .*{reason}"):
        read_picture(content, "upload 3")


def test_the_pixel_limit_can_be_lowered() -> None:
    content = encode(Image.new("RGB", (20, 10)), "PNG")
    assert read_picture(content, max_pixels=200).shape == (10, 20, 3)
    with pytest.raises(BadInputError, match="20 x 10 pixels"):
        read_picture(content, max_pixels=199)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such file"):
        read_picture(tmp_path / "gone.jpg")
    with pytest.raises(BadInputError, match="is a folder"):
        read_picture(tmp_path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", JPEG[:200], png_claiming(4, 4)[:40]]))
def test_rubbish_never_raises_anything_else(rubbish: bytes, start: bytes) -> None:
    with contextlib.suppress(BadInputError):
        assert read_picture(start + rubbish).dtype == np.uint8


def test_grey_is_pillows() -> None:
    pixels = noise(40, 50)
    assert np.array_equal(to_grey(pixels), np.asarray(Image.fromarray(pixels).convert("L")))
    assert to_grey(pixels[None]).shape == (1, 40, 50)


def test_resize_averages_when_it_shrinks() -> None:
    fine = np.tile(np.array([0, 255], np.uint8), (64, 32))  # stripes one pixel wide
    small = resize(fine, 8, 8)[:, 1:-1]
    assert small.shape == (8, 6)
    assert np.abs(small.astype(int) - 128).max() < 12


def test_resize_keeps_gradients_and_kinds() -> None:
    ramp = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (30, 1))
    large = resize(ramp, 60, 120)
    assert large.shape == (60, 120)
    assert np.all(np.diff(large[0].astype(int)) >= 0)
    assert resize(noise(9, 5), 3, 4).shape == (3, 4, 3)


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert {".jpg", ".jpeg", ".png", ".webp", ".tif"} <= PICTURE_SUFFIXES
    assert all(s == s.lower() and s.startswith(".") for s in PICTURE_SUFFIXES)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_pictures_the_first_is_read_and_it_is_said(kind: str) -> None:
    stream = io.BytesIO()
    pages = [Image.new("RGB", (8, 8), colour) for colour in ((200, 0, 0), (0, 200, 0))]
    pages[0].save(stream, kind, save_all=True, append_images=pages[1:])
    with pytest.warns(UserWarning, match=r"two: holds 2 pictures; the first is read"):
        rgb = read_picture(stream.getvalue(), "two")
    assert rgb[0, 0, 0] > 150


@pytest.mark.parametrize(
    ("shape", "size"),
    [((3001, 4003, 3), (300, 401)), ((4000, 4000), (500, 333)), ((9000, 1200, 3), (1000, 133))],
)
def test_large_pictures_shrink_as_pillow_shrinks_them_in_less_memory(
    shape: tuple[int, ...], size: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    whole = Image.fromarray(image)
    expected = whole.resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=3.0)
    assert np.array_equal(resize(image, *size), np.asarray(expected))
