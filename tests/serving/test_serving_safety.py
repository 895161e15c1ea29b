"""Who may ask, what an answer may do, and what happens to files and processes that mean harm."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

import coview
from coview.cli import run_arguments
from coview.errors import UserError
from coview.serving import create_app, serve
from coview.serving.cache import Cache
from coview.serving.jobs import Lane
from coview.serving.safety import is_loopback
from coview.serving.uploads import TooLargeError, Uploads
from served_index import LONG


def test_only_names_of_this_machine_are_answered_to(client):
    for host in ("localhost", "127.0.0.1:8765", "[::1]:8765", "LOCALHOST:1"):
        assert client.get("/api/collection", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "192.168.1.5:8765", "", "@", "[::"):
        for path in ("/", "/api/collection", "/static/page.js"):
            assert client.get(path, headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_sites_cannot_make_the_browser_send_work(client, headers):
    for path in ("/api/uploads", "/api/search", "/api/heat"):
        assert client.post(path, headers=headers, content=b"x").status_code == 403


def test_own_pages_may(client):
    headers = {"Origin": "http://localhost:8765", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/search", headers=headers, json={}).status_code == 422


def test_every_answer_carries_the_policy(client):
    for path in ("/", "/docs", "/static/page.js", "/api/collection", "/api/videos/999", "/nowhere"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_a_token_is_needed_where_others_can_reach(place):
    app = create_app(coview.open_index(place.index), token="the-token")
    with TestClient(app, base_url="http://192.168.1.5:8765") as asked:
        for path in ("/", "/api/collection", "/static/page.js", "/?token=wrong", "/?token="):
            assert asked.get(path).status_code == 401
        assert asked.get("/api/collection", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert asked.get("/api/collection", headers={"Authorization": "Bearer the-token"}).status_code == 200
        assert asked.post("/api/search?token=the-token", json={}).status_code == 401
        led = asked.get("/?token=the-token", follow_redirects=False)
        assert led.status_code == 303
        assert led.headers["location"] == "/"
        assert "httponly" in led.headers["set-cookie"].lower()
        assert asked.get("/api/collection").status_code == 200, "the cookie lets in"
        away = asked.get("http://192.168.1.5:8765//evil.example/?token=the-token", follow_redirects=False)
        assert away.headers["location"] == "/evil.example/"


def test_addresses_of_this_machine():
    assert all(is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.5", "example.org", ""))


async def chunks(*parts: bytes):
    for part in parts:
        yield part


def kept(uploads: Uploads) -> list[Path]:
    return [path for path in uploads._folder.iterdir() if path.name != ".held"]


def test_uploads_are_bounded(place):
    lane = Lane(place.index, run=None, name="dropped files")
    uploads = Uploads(lane, largest_bytes=1000)
    with pytest.raises(TooLargeError, match="larger than"):
        asyncio.run(uploads.receive(chunks(b"x" * 600, b"x" * 600), name="big.mp4"))
    assert kept(uploads) == [], "what was refused is not kept"
    tokens = [asyncio.run(uploads.receive(chunks(b"x%d" % n), name="a.mp4")).token for n in range(25)]
    assert len(kept(uploads)) == 20, "the last few are kept"
    with pytest.raises(UserError, match="drop it once more"):
        uploads.find(tokens[0])
    uploads.close()
    lane.close()


def test_an_upload_that_takes_too_long_is_given_up(place):
    lane = Lane(place.index, run=None, name="dropped files")
    uploads = Uploads(lane, embed_seconds=0.01)
    upload = asyncio.run(uploads.receive(chunks(place.new.read_bytes()), name="new.mp4"))
    with pytest.raises(UserError, match="took longer"):
        asyncio.run(uploads.embed(upload, None, None))
    patient = Uploads(lane, embed_seconds=120)
    again = asyncio.run(patient.receive(chunks(place.new.read_bytes()), name="new.mp4"))
    assert set(asyncio.run(patient.embed(again, None, None))) == {"rgb", "flow"}, "the next process does the next job"
    for one in (uploads, patient):
        one.close()
    lane.close()


def test_a_process_that_dies_costs_its_job_alone(place, tmp_path):
    lane = Lane(place.index, run=None, name="films")
    path = str(place.videos / f"{LONG}.mp4")
    assert lane.submit("film", timeout_seconds=60, path=path).result()["codec"] == "h264"
    assert lane._process is not None
    os.kill(lane._process.pid, signal.SIGSTOP)
    job = lane.submit("poster", timeout_seconds=60, path=path, at=0.0, height=36, out=str(tmp_path / "a.jpg"))
    time.sleep(0.2)
    os.kill(lane._process.pid, signal.SIGKILL)
    with pytest.raises(UserError, match="died"):
        job.result()
    lane.submit("poster", timeout_seconds=60, path=path, at=0.0, height=36, out=str(tmp_path / "a.jpg")).result()
    assert (tmp_path / "a.jpg").read_bytes().startswith(b"\xff\xd8")
    lane.close()


def test_the_cache_stays_below_its_size(tmp_path):
    cache = Cache(tmp_path, largest_bytes=2500)
    for number in range(1, 6):
        path = cache.path(f"f{number}.jpg")
        path.write_bytes(b"x" * 1000)
        os.utime(path, (number, number))
    cache.find("f1.jpg")  # used a moment ago
    cache.note_made("f5.jpg")
    assert sorted(path.name for path in cache.folder.glob("f*")) == ["f1.jpg", "f5.jpg"]
    for name in ("../x", "a/b", "", ".hidden", "x" * 300):
        with pytest.raises(ValueError, match="no name"):
            cache.path(name)


def test_large_files_make_room_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("coview.serving.cache._LOOK_BYTES", 1500)
    cache = Cache(tmp_path, largest_bytes=2500)
    for number in range(5):
        path = cache.path(f"f{number}.mp4")
        path.write_bytes(b"x" * 1000)
        os.utime(path, (number, number))
        cache.note_made(path.name)
    assert len(list(cache.folder.glob("f*"))) < 4


def test_an_index_that_cannot_be_written_to_is_served(tmp_path):
    (tmp_path / "page").write_text("a file where the folder would be")
    cache = Cache(tmp_path)
    assert not cache.folder.is_relative_to(tmp_path)
    cache.close()
    assert not cache.folder.exists()


def test_mistakes_are_named(place, tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match=r"port \d+ of 127.0.0.1 is in use"):
            run_arguments(["serve", str(place.index), "--port", str(taken.getsockname()[1])])
    with pytest.raises(UserError, match="there is no index at"):
        run_arguments(["serve", str(tmp_path / "none")])
    with pytest.raises(UserError, match="expected 1 to 65535"):
        serve(place.index, port=70000)
    with pytest.raises(UserError, match="leave --host out"):
        serve(place.index, host="203.0.113.7", port=0)
    with pytest.raises(UserError, match="no address of this machine"):
        serve(place.index, host="no such name.invalid", port=0)
    found = __import__("importlib.util").util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "fastapi" else found(name))
    with pytest.raises(UserError, match=r"pip install 'coview\[serve\]'"):
        run_arguments(["serve", str(place.index)])


SLOW_SERVER = """
import asyncio, signal
import coview.serving.server as server
signal.signal(signal.SIGHUP, signal.SIG_DFL)
async def app(scope, receive, send):
    while scope["type"] == "lifespan":
        event = (await receive())["type"]
        await send({"type": f"{event}.complete"})
        if event == "lifespan.shutdown":
            return
    print("asked", flush=True)
    await asyncio.sleep(60)
server.create_app = lambda *index, **options: app
server.open_index = lambda place: place
server.serve("index", port=0, say=lambda words: print(words.splitlines()[1], flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_being_stopped_in_the_midst_of_a_film_shows_no_traceback(number):
    command = [sys.executable, "-c", SLOW_SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        address = urlsplit(process.stdout.readline().strip())
        with socket.create_connection((address.hostname, address.port)) as asking:
            asking.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert process.stdout.readline() == "asked\n"
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
