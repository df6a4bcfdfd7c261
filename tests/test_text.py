"""Names that would harm a terminal, a table or a strict parser."""

import csv
import io
import json
import os
import re
import sys
from html import unescape

import pytest
from skimage.data import astronaut
from typer.testing import CliRunner

from mien.cli import app
from mien.text import markdown, printable, printable_lines, table_cell
from tiny_model import write_tiny_model


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 顔.jpg", "Zoë 顔.jpg"),
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
        ("a\x1b[31mred\r\nrow\t\x7f", r"a\x1b[31mred\x0d\x0arow\x09\x7f"),
        ("cod\u202egpj.exe", r"cod\u202egpj.exe"),
        ("line\u2028line\ud800", r"line\u2028line\ud800"),
    ],
)
def test_harmful_characters_become_escapes_and_letters_stay(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown
    printable(text).encode()  # every reader can have it


def test_messages_keep_their_lines():
    assert printable_lines("first\nsecond\x1b") == "first\nsecond\\x1b"


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_cell_is_a_formula(start):
    assert table_cell(f"{start}cmd|'/c calc'!A0") == f"'{start}cmd|'/c calc'!A0"
    assert [table_cell(value) for value in (-1.5, None, True, "a=b")] == [-1.5, None, "true", "a=b"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("name", [b"=1+1 caf\xe9\r\x1b[2J.png", b"\xff\xfe.png"])
def test_a_picture_of_any_name_is_a_row_everywhere(name, tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    picture = io.BytesIO()
    Image.fromarray(astronaut()[60:180, 170:290]).save(picture, "PNG")
    with open(name, "wb") as file:  # noqa: PTH123  (a name in bytes)
        file.write(picture.getvalue())
    model = write_tiny_model(tmp_path / "model")
    shown = printable(os.fsdecode(name))
    options = [os.fsdecode(name), "--model", str(model), "--detector", "none"]
    tables = ["--csv", "rows.csv", "--parquet", "rows.parquet"]
    result = CliRunner().invoke(app, ["predict", *options, *tables, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["source"] == shown
    with open("rows.csv", newline="", encoding="utf-8") as stream:  # noqa: PTH123
        (row,) = csv.DictReader(stream)
    assert row["source"] == table_cell(shown)
    from pyarrow import parquet

    assert parquet.read_table("rows.parquet")["source"].to_pylist() == [shown]
    text = CliRunner().invoke(app, ["predict", *options])
    assert text.stdout.startswith(f"{shown}: ")


@pytest.mark.parametrize(
    "name",
    ["happy", "a|b", "<b>x</b>", "# x", "*x*", "[a](http://b)", "`x`", "a\nb", "ärgerlich", "&lt;"],
)
def test_a_name_in_a_markdown_table_shows_as_it_is(name: str) -> None:
    """Rendered by a real parser: one cell, the name's characters, and no markup."""
    from markdown_it import MarkdownIt

    page = MarkdownIt("commonmark").enable("table")
    html = page.render(f"| a | b |\n|---|---|\n| {markdown(name)} | 2 |\n")
    cells = re.findall(r"<td>(.*?)</td>", html)
    assert [unescape(cell) for cell in cells] == [printable(name), "2"]
