"""The Python of the pages for users, and the notebook, run as they stand."""

import re
import shutil
from fractions import Fraction
from pathlib import Path

import matplotlib
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from skimage.data import astronaut

from drawn_faces import drawn_set, write_fer_csv
from made_video import write_video
from mien.inference import FrameResult, analyzer

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "mien.ipynb"
PAGES = {  # page → what its Python must have printed
    "README.md": "0.0 [(1, 'happy')]",
    "docs/python.md": "no detector 'har'; did you mean 'haar'?",
    "docs/coming-from.md": "happy 9",
    "docs/explain.md": "of the evidence for neutral lies",
}


@pytest.fixture
def workplace(tmp_path, monkeypatch) -> Path:
    """A folder with the files that the pages speak of; the camera 0 shows the astronaut."""
    monkeypatch.chdir(tmp_path)
    Path("examples").mkdir()
    shutil.copy(ROOT / "examples" / "astronaut.jpg", "examples")
    face = astronaut()[:240, 100:340]
    write_video(Path("clip.mp4"), [face] * 2, [Fraction(0), Fraction(1)])
    parts = [drawn_set(70, seed=1), drawn_set(28, seed=2)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    write_fer_csv(Path("faces.csv"), images, labels, ["Training"] * 70 + ["PublicTest"] * 28)
    frame = FrameResult.of_pixels("camera 0", face, 0, 0.0)
    monkeypatch.setattr(analyzer, "watch", lambda camera, stop: iter([frame]))
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page, workplace, capsys):
    matplotlib.use("agg")
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    assert PAGES[page] in capsys.readouterr().out


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_the_links_of_a_page_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text()):
        assert (ROOT / page).parent.joinpath(target).exists(), target


def test_the_notebook_runs_and_is_kept_without_output(workplace, monkeypatch):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not [cell for cell in cells if cell.outputs or cell.execution_count]
    monkeypatch.setenv("IPYTHONDIR", str(workplace / "ipython"))
    resources = {"metadata": {"path": str(workplace)}}
    done = NotebookClient(notebook, timeout=120, resources=resources).execute()
    shown = "".join(str(cell.outputs) for cell in done.cells if cell.cell_type == "code")
    assert "happy" in shown
    assert "image/jpeg" in shown  # a result
    assert "image/png" in shown  # an explanation
