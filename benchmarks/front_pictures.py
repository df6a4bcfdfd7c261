"""Draws the README's pictures, docs/astronaut.jpg and docs/page.png, with the model inside.

    python benchmarks/front_pictures.py

The page's is taken in Chromium, whose camera shows the astronaut for half a minute.
"""

import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import playwright.sync_api

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SECONDS = 34


def main() -> None:
    """Draws both."""
    mien = [sys.executable, "-m", "mien"]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        picture = ROOT / "examples" / "astronaut.jpg"
        subprocess.run([*mien, "predict", picture, "--output", "annotated"], check=True)
        (DOCS / picture.name).write_bytes((Path("annotated") / picture.name).read_bytes())
        service = subprocess.Popen(
            [*mien, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
        )
        try:
            assert service.stderr is not None
            for line in service.stderr:
                if "http://" in line:
                    shoot("http://" + line.split("http://")[1].split()[0])
                    break
        finally:
            service.terminate()
            service.wait()


def shoot(url: str) -> None:
    """Shows the page the astronaut and keeps what it looks like."""
    sys.path.insert(0, str(ROOT / "tests"))
    from fake_camera import moving_astronaut, write_y4m

    write_y4m(Path("astronaut.y4m"), moving_astronaut(16, 480, 640))
    flags = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream"),
        "--use-file-for-fake-video-capture=astronaut.y4m",
    ]
    with (
        playwright.sync_api.sync_playwright() as driver,
        driver.chromium.launch(executable_path="/usr/bin/chromium", args=flags) as browser,
    ):
        context = browser.new_context(
            permissions=["camera"], viewport={"width": 1280, "height": 900}
        )
        page = context.new_page()
        page.goto(url)
        page.get_by_role("button", name="Start the camera").click()
        page.wait_for_timeout(1000 * SECONDS)
        page.screenshot(full_page=True, path=DOCS / "page.png")


if __name__ == "__main__":
    main()
