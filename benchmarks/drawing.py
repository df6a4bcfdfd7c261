"""Draws groups and a crowd of faces into docs/pictures, to look at how legible they are.

    python benchmarks/drawing.py                    those of docs/pictures.md
    python benchmarks/drawing.py --output FOLDER    every size, as it is drawn

The people are one: the astronaut of scikit-image (NASA, public domain), in several sizes, mirrored,
darkened, and partly behind another. How long drawing takes is printed.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

from mien.inference import Analyzer
from mien.inference.drawing import Detail, draw_faces
from mien.inference.hiding import Hiding
from mien.pictures import resize

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
WIDTH, QUALITY = 1000, 80
"""Of what is kept in docs, pixels at most, and of its JPEG files."""

# Left, top, side of each head in a picture 1,280 wide, mirrored or not, how bright.
GROUP = [
    (900, 60, 190, False, 0.6),
    (1070, 90, 190, True, 1.0),
    (560, 40, 130, False, 0.8),
    (690, 60, 90, True, 1.0),
    (790, 40, 110, False, 0.5),
    (1080, 420, 150, True, 0.8),
    (1190, 330, 90, False, 1.0),
    (360, 130, 290, True, 0.8),
    (700, 250, 330, False, 1.0),
    (30, 220, 420, False, 1.0),
    (560, 300, 280, True, 0.7),
]


def main() -> None:
    """Draws all, and says how long each took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="a folder for every size, not shrunk")
    folder = parser.parse_args().output
    analyzer = Analyzer()
    rng = np.random.default_rng(0)
    crowd = [
        (
            30 + column * 155 + int(rng.integers(-20, 20)),
            20 + row * 160 + int(rng.integers(-20, 20)),
        )
        for row in range(5)
        for column in range(8)
    ]
    heads = [
        (x, y, int(rng.integers(110, 190)), bool(rng.integers(2)), float(rng.uniform(0.5, 1)))
        for x, y in crowd
    ]
    for name, picture in {
        "group_320": scene(GROUP, 320, 720),
        "group_1280": scene(GROUP, 1280, 720),
        "group_4000": scene(GROUP, 4000, 720),
        "crowd": scene(heads, 1280, 860),
        "crowd_4000": scene(heads, 4000, 860),
    }.items():
        draw(analyzer, picture, name, folder, "bars", None)
    for detail in ("boxes", "labels"):
        draw(analyzer, scene(GROUP, 1280, 720), f"group_{detail}", folder, detail, None)
    for how in ("blur", "pixelate", "solid"):
        draw(analyzer, scene(GROUP, 1280, 720), f"group_{how}", folder, "labels", how)


def scene(heads: list[tuple[int, int, int, bool, float]], width: int, height: int) -> np.ndarray:
    """Returns heads before a plain wall, RGB uint8, the picture `width` pixels wide.

    Places are those of a picture 1,280 x `height`.
    """
    scale = width / 1280
    wall = np.linspace((150, 160, 170), (90, 95, 110), round(height * scale))
    picture = np.repeat(wall[:, None], width, axis=1).astype(np.uint8)
    head = astronaut()[10:250, 105:345]
    for left, top, side, is_mirrored, light in heads:
        size = round(side * scale)
        pixels = resize(np.ascontiguousarray(head[:, ::-1] if is_mirrored else head), size, size)
        y, x = round(top * scale), round(left * scale)
        place = picture[y : y + size, x : x + size]
        across = np.linspace(-1, 1, size)
        oval = np.hypot(across[:, None], across)[..., None] < 1
        part = np.s_[: place.shape[0], : place.shape[1]]
        place[:] = np.where(oval[part], (pixels * light).astype(np.uint8)[part], place)
    return picture


def draw(
    analyzer: Analyzer,
    picture: np.ndarray,
    name: str,
    folder: Path | None,
    detail: Detail,
    how: Hiding | None,
) -> None:
    """Draws what is found in a picture, and keeps it."""
    found = analyzer(picture)
    began = time.perf_counter()
    shown = found.pixels() if how is None else found.hide(how).pixels()
    drawn = draw_faces(shown, found.faces, detail)
    seconds = time.perf_counter() - began
    print(f"{name}: {len(found)} faces, drawn in {1000 * seconds:.0f} ms")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn).save(folder / f"{name}.png")
    elif name in ("group_320", "group_1280", "group_4000", "crowd", "group_blur"):
        height = round(drawn.shape[0] * min(1, WIDTH / drawn.shape[1]))
        small = resize(drawn, height, min(WIDTH, drawn.shape[1]))
        Image.fromarray(small).save(PICTURES / f"{name}.jpg", quality=QUALITY)


if __name__ == "__main__":
    main()
