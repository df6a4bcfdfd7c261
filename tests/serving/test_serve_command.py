"""`mien serve` as people start and end it."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mien.cli import app
from mien.errors import BadInputError, MissingError, UsageError
from mien.serving.access import check_access, read_api_key
from mien.serving.server import listen

PATIENCE_SECONDS = 60


def test_it_serves_until_ctrl_c_and_keeps_quiet_about_pictures(
    start: Callable[..., Any], face_jpeg: bytes
) -> None:
    command = start()
    assert re.fullmatch(r"mien: serving on http://127\.0\.0\.1:\d+ .*\n", command.first_lines)
    with httpx.Client(base_url=command.url, timeout=PATIENCE_SECONDS) as client:
        files = {"file": ("grandmother.jpg", face_jpeg)}
        assert len(client.post("/v1/predict", files=files).json()["results"][0]["faces"]) == 1
        assert client.post("/v1/predict", files={"file": ("uncle.jpg", b"?")}).status_code == 422
        assert client.get("/v1/info").json()["model"]["name"] == "tiny"
        assert client.get("/grandmother").status_code == 404
        assert client.get("/").status_code == 200
    with connect(command.stream_url) as websocket:
        websocket.send(b"?")
        websocket.recv(PATIENCE_SECONDS)
        code, out, err = command.end(signal.SIGINT)
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(PATIENCE_SECONDS)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert code == 130
    assert out == ""
    assert err == command.first_lines + "mien: interrupted\n"


def test_sigterm_ends_it_too(start: Callable[..., Any]) -> None:
    command = start("--detector", "haar")
    assert httpx.get(f"{command.url}/v1/info").json()["detector"] == "haar"
    code, out, err = command.end(signal.SIGTERM)
    assert (code, out, err) == (-signal.SIGTERM, "", command.first_lines)


def test_the_key_is_read_and_others_who_could_read_it_are_warned_of(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_text("  0123456789abcdef  \nsecond line\n")
    path.chmod(0o644)
    command = start("--api-key-file", path, "--host", "0.0.0.0")
    assert "warning" in command.first_lines
    assert "chmod 600" in command.first_lines
    url = command.url.replace("0.0.0.0", "127.0.0.1")
    assert httpx.get(f"{url}/metrics").status_code == 401
    key = {"X-API-Key": "0123456789abcdef"}
    assert httpx.get(f"{url}/metrics", headers=key).status_code == 200
    _, _, err = command.end(signal.SIGINT)
    assert "0123456789abcdef" not in err


def outcome(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["serve", *map(str, arguments)])
    assert result.stdout == ""
    return result.exit_code, result.stderr


def test_a_port_that_is_taken_is_one_clear_line(model_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, err = outcome("--port", str(port), "--model", model_folder)
    assert code == 3
    assert err == f"mien: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


def test_answers_are_not_held_back_by_nagles_delay() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY on such only


def test_another_address_needs_a_key_or_the_word() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        code, err = outcome("--host", host)
        assert code == 2
        assert "--api-key-file" in err
        assert "--insecure" in err
    code, err = outcome("--host", "192.0.2.1", "--insecure")  # none of this machine's
    assert code == 3
    assert "cannot listen on 192.0.2.1" in err


def test_the_wrong_model_detector_or_host_is_said_at_once(tmp_path: Path) -> None:
    assert outcome("--model", tmp_path / "none")[0] == 4
    code, err = outcome("--detector", "retinaface2")
    assert code == 2
    assert "retinaface" in err
    code, err = outcome("--host", "no.such.host.invalid")
    assert code == 3
    assert "no.such.host.invalid" in err


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "fastapi" else find_spec(name)
    )
    code, err = outcome()
    assert code == 4
    assert "pip install 'mien[serve]'" in err


def test_loopback_addresses_need_no_key() -> None:
    assert check_access("127.0.0.1", None, False)
    assert check_access("localhost", None, False)
    assert check_access("127.8.8.8", None, False)
    assert check_access("::1", "k" * 16, False)
    assert not check_access("0.0.0.0", "k" * 16, False)
    assert not check_access("0.0.0.0", None, True)
    with pytest.raises(UsageError, match="insecure"):
        check_access("0.0.0.0", None, False)


def test_keys_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(MissingError, match="no such file"):
        read_api_key(path, pytest.fail)
    for content, reason in {
        b"": "has 0 characters",
        b"short\n" + b"k" * 30: "has 5 characters",
        b"   \n": "has 0 characters",
        b"\xff" * 20: "cannot be read",
        "schlüssel-schlüssel".encode(): "ASCII",
        b"0123456789\x00abcdefgh": "ASCII",
    }.items():
        path.write_bytes(content)
        with pytest.raises(BadInputError, match=reason):
            read_api_key(path, pytest.fail)
    with pytest.raises(BadInputError, match="cannot be read"):
        read_api_key(tmp_path, pytest.fail)


def test_a_key_that_only_its_owner_reads_is_not_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("0123456789abcdef\r\n")
    path.chmod(0o600)
    assert read_api_key(path, pytest.fail) == "0123456789abcdef"


def test_importing_mien_and_its_commands_loads_no_server() -> None:
    line = "import mien, mien.cli, sys; print({'fastapi', 'uvicorn', 'starlette'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
