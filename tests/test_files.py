"""A file is whole or not there, and what killed writers leave is removed."""

import os
from pathlib import Path

import pytest

from mien.errors import BadInputError
from mien.files import HALF, write_whole
from mien.locks import FolderLock


def write(path: Path, content: bytes) -> None:
    with write_whole(path) as stream:
        stream.write(content)


def test_the_file_has_its_name_when_all_is_written(tmp_path):
    path = tmp_path / "new" / "page.txt"
    with write_whole(path) as stream:
        stream.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
    write(path, b"another")
    assert path.read_bytes() == b"another"
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_older_one_stays_where_writing_fails(tmp_path, error):
    path = tmp_path / "page.txt"
    write(path, b"older")
    with pytest.raises(error), write_whole(path) as stream:
        stream.write(b"half")
        raise error
    assert path.read_bytes() == b"older"
    assert [*tmp_path.iterdir()] == [path]


def test_what_cannot_be_written_is_told_by_its_own_name(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "page.txt", tmp_path):
        with pytest.raises(BadInputError, match=rf"^{path}: cannot be written: [A-Z]"):
            write(path, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_leads_to_what_is_written(tmp_path):
    (tmp_path / "link").symlink_to("page.txt")
    write(tmp_path / "link", b"whole")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "page.txt").read_bytes() == b"whole"


def test_half_files_go_after_a_day_or_with_the_next_one_writer(tmp_path):
    old, new = (tmp_path / HALF.replace("*", name) for name in ("old", "new"))
    own = tmp_path / ".mine.part"
    for path in (old, new, own):
        path.touch()
    os.utime(old, (1e9, 1e9))
    write(tmp_path / "page.txt", b"")
    assert (old.exists(), new.exists()) == (False, True)
    os.utime(new, (1.7e9, 1.7e9))
    FolderLock(tmp_path).release()
    assert (new.exists(), own.exists()) == (False, True)
