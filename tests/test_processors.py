"""How many cores may be used, and which processors are quick at int8, on made machines."""

import os
import sys

import pytest

from mien import processors
from mien.processors import count_cores, has_fast_int8, limit_cores

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells by files")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Eight processors, two threads to a core, all allowed; without control groups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(processors, "_limit", float("inf"))
    for number in range(8):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{number}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{number % 4},{number % 4 + 4}\n")
    return tmp_path


def in_groups(machine, own, limits):
    """Puts the process into control group `own`; `limits` are `cpu.max` by group."""
    (machine / "proc/self").mkdir(parents=True)
    (machine / "proc/self/cgroup").write_text(f"1:cpu:/else\n0::{own}\n")
    for group, limit in limits.items():
        folder = machine / "sys/fs/cgroup" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cpu.max").write_text(f"{limit}\n")


def test_two_threads_of_a_core_count_once(machine):
    assert count_cores(machine) == 4


def test_only_cores_that_the_process_may_run_on_count(machine, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4, 1}, raising=False)
    assert count_cores(machine) == 2


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"": "250000 100000"}, 2),
        ({"pod": "300000 100000", "pod/box": "max 100000"}, 3),
        ({"pod": "max 100000", "pod/box": "50000 100000"}, 1),
        ({"pod/box": "max 100000"}, 4),
        ({"pod/box": "1600000 100000"}, 4),
        ({"pod/box": "damaged"}, 4),
    ],
)
def test_a_containers_limit_of_processor_time_holds(machine, limits, expected):
    in_groups(machine, "/pod/box", limits)
    assert count_cores(machine) == expected


def test_where_nothing_is_told_every_processor_is_a_core(tmp_path, machine):
    assert count_cores(tmp_path / "empty") == 8


def test_a_limit_of_the_users_holds_until_it_is_taken_away(machine, monkeypatch):
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "0")
    limit_cores(3)
    assert count_cores(machine) == 3
    assert os.environ["OPENCV_FOR_THREADS_NUM"] == "3"
    limit_cores(9)
    assert count_cores(machine) == 4
    limit_cores(0)
    assert count_cores(machine) == 4


@linux
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", True),
        ("flags\t\t: fpu avx2 avx_vnni", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vbmi", False),
        ("Features\t: fp asimd asimddp", True),
        ("Features\t: fp asimd", False),
        ("model name\t: avx_vnni", False),
    ],
)
def test_flags_tell_whether_int8_is_quick(line, expected, tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\n{line}\n")
    assert has_fast_int8(tmp_path) is expected


def test_where_no_flags_are_told_int8_is_not_taken_for_quick(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert not has_fast_int8(tmp_path)


@pytest.mark.parametrize(("machine_name", "expected"), [("arm64", True), ("x86_64", False)])
def test_apples_own_processors_are_quick_at_int8(machine_name, expected, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: machine_name)
    assert has_fast_int8() is expected
