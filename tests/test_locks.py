"""One writer to a folder: a second one is refused, and a killed one holds nothing."""

import errno
import signal
import subprocess
import sys
from fractions import Fraction

import filelock
import pytest
from skimage.data import astronaut

from made_video import write_video
from mien.errors import UsageError
from mien.inference.corpus.folder import Corpus
from mien.inference.corpus.worker import VideoSettings
from mien.inference.read.sources import VideoSource, find_sources
from mien.locks import FolderLock
from tiny_model import write_tiny_model

HOLD = """
import sys, time
from pathlib import Path
from mien.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder `out`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_has_one_writer_until_its_end_however_it_ends(holder, tmp_path):
    with pytest.raises(UsageError, match=r"out: another process is writing to this folder"):
        FolderLock(tmp_path / "out")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock = FolderLock(tmp_path / "out")
    with pytest.raises(UsageError):
        FolderLock(tmp_path / "out")
    lock.release()
    lock.release()
    FolderLock(tmp_path / "out").release()


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch):
    def acquire(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    with pytest.warns(UserWarning, match="no locks .*; see that nothing else writes"):
        lock = FolderLock(tmp_path / "out")
    lock.release()


def test_two_runs_over_one_folder_of_tables_do_not_mix(holder, tmp_path):
    settings = VideoSettings(str(write_tiny_model(tmp_path / "model")), "none")
    face = astronaut()[60:180, 170:290]
    write_video(tmp_path / "a.mp4", [face] * 3, [Fraction(n, 4) for n in range(3)])
    sources = [each for each in find_sources([tmp_path / "a.mp4"]) if isinstance(each, VideoSource)]
    with pytest.raises(UsageError, match="another process is writing"):
        Corpus(sources, tmp_path / "out", settings)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
    holder.kill()
    holder.wait()
    first = Corpus(sources, tmp_path / "out", settings)
    with pytest.raises(UsageError, match="another process is writing"):
        Corpus(sources, tmp_path / "out", settings, resume=True)
    assert len([*first.run()]) >= 1
    again = Corpus(sources, tmp_path / "out", settings, resume=True)
    assert (len(again.done), again.pending) == (1, [])
