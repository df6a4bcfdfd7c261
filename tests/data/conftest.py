import os

import pytest


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", os.fspath(tmp_path / "cache"))
