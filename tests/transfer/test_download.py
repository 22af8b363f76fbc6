"""The way of one file from the demo's storage to the disk, with every fault that the demo can make. No mocks: real sockets, real resets."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from civitai_manager_libs import errors
from civitai_manager_libs.civitai.client import Client
from civitai_manager_libs.civitai.refusals import retry_after
from civitai_manager_libs.civitai.transport import Transport
from civitai_manager_libs.jobs.board import Board
from civitai_manager_libs.jobs.context import Context
from civitai_manager_libs.reporter import StopFlag, Stopped
from civitai_manager_libs.settings import Settings
from civitai_manager_libs.transfer.download import Download, Wanted
from civitai_manager_libs.transfer.partial import Identity, Part
from civitai_manager_libs.transfer.wire import Wire

from demo.catalogue import SPECIAL
from demo.server import KEY, DemoServer


class Watcher:
    """Patience and Reporter that remember what they were told and can be stopped."""

    def __init__(self) -> None:
        self.stop = StopFlag()
        self.texts: list[str] = []
        self.awaited: list[str] = []
        self.bytes_done: list[int] = []
        self.at_bytes: tuple[int, Callable[[], None]] | None = None

    def check(self) -> None:
        if self.stop.is_set():
            raise Stopped(self.stop.reason)

    def wait(self, seconds: float, text: str) -> None:
        self.texts.append(text)
        self.stop.wait(seconds)
        self.check()

    def stopping(self, action: Callable[[], None]) -> AbstractContextManager[None]:
        return self.stop.calling(action)

    def update(self, *, text: str | None = None, bytes_done: int | None = None, awaits: str | None = None, **_other: object) -> None:
        if text:
            self.texts.append(text)
        if awaits is not None and (not self.awaited or awaits != self.awaited[-1]):
            self.awaited.append(awaits)
        if bytes_done is not None:
            self.bytes_done.append(bytes_done)
            if self.at_bytes and bytes_done >= self.at_bytes[0]:
                action, self.at_bytes = self.at_bytes[1], None
                action()


class Bench:
    """A demo, a client, and a file to fetch."""

    def __init__(self, demo: DemoServer, folder: Path, key: str = KEY) -> None:
        self.demo = demo
        self.settings = Settings(civitai_url=demo.url, api_key=key, http_retry_delay=0.02)
        self.client = Client(Transport(lambda: self.settings, version="test"))
        self.watcher = Watcher()
        self.target = folder / "sub" / "model.safetensors"
        self.target.parent.mkdir(parents=True, exist_ok=True)

    def subject(self, name: str = "variants_same_name") -> Any:
        case = SPECIAL[name]
        version = next(v for v in self.client.model(case.model_id).value.versions if v.id == case.version_id)
        return version, next((file for file in version.files if file.id == case.file_id), version.primary)

    def download(
        self, name: str = "variants_same_name", *, stall_limit: float = 20.0, sha256: str | None = None, size: int | None = None
    ) -> Download:
        version, file = self.subject(name)
        identity = Identity(version.id, file.id, file.size if size is None else size, (file.sha256 or "") if sha256 is None else sha256)
        wanted = Wanted(self.client.download_url(version.id, file.id), self.target, identity)
        wire = Wire(self.client.transport.open, self.client.denial, retry_after)
        return Download(wanted, wire, self.watcher, self.watcher, stall_limit=stall_limit, retry_delay=0.02)

    def asked(self, origin: str) -> list[dict[str, Any]]:
        seen = [entry for entry in self.demo.requests if entry["origin"] == origin and "/model" in entry["path"]]
        return [entry for entry in seen if "/api/v1" not in entry["path"]]


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    with DemoServer(models=10) as demo:
        yield demo


@pytest.fixture
def bench(server: DemoServer, tmp_path: Path) -> Iterator[Bench]:
    server.clear_faults()
    server.expiry = 86_400.0
    server.forget()
    yield Bench(server, tmp_path)
    server.clear_faults()


def whole(bench: Bench, arrived: Any, name: str = "variants_same_name") -> None:
    """The file is whole, verified, and nothing else is left but the note of whose it is, which the catalog replaces."""
    state = Part(bench.target).state
    assert state.exists()
    state.unlink()
    _, file = bench.subject(name)
    data = bench.target.read_bytes()
    assert arrived.path == bench.target
    assert len(data) == file.size == arrived.size
    assert hashlib.sha256(data).hexdigest() == file.sha256 == arrived.sha256
    assert arrived.verified
    assert sorted(path.name for path in bench.target.parent.iterdir()) == ["model.safetensors"]


def test_arrives_whole_and_verified(bench: Bench) -> None:
    whole(bench, bench.download().run())


def test_the_key_goes_to_the_api_only(bench: Bench) -> None:
    bench.download().run()
    assert [entry["key"] for entry in bench.asked("api")] == ["demo"]
    assert [entry["key"] for entry in bench.asked("storage")] == [""]


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("reset", {"after": 20_000}),
        ("close", {"after": 20_000}),
        ("reset", {"after": 0}),
        ("length_short", {"by": 1000}),
        ("length_long", {"by": 1000}),
        ("storage_error", {"status": 503}),
        ("storage_error", {"status": 524}),
        ("expired", {}),
        ("no_length", {}),
        ("no_disposition", {}),
        ("drip", {"rate": 400_000}),
    ],
)
def test_one_fault_costs_a_reconnect_and_nothing_else(bench: Bench, fault: str, options: dict[str, Any]) -> None:
    bench.demo.fault(fault, path="/model/", times=1, **options)
    whole(bench, bench.download().run())


def test_it_says_what_it_waits_for(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=2, after=9_000)
    bench.download().run()
    assert bench.watcher.awaited == ["answer from Civitai", "answer from the storage", "byte", ""], "a new connection changes nothing"
    assert bench.watcher.texts[0] == "connecting" and bench.watcher.texts[-1] == "verifying"
    assert bench.watcher.texts.count("the connection was lost, reconnecting") == 2 and bench.watcher.texts.count("connecting") == 1


def test_a_person_reads_how_long_no_byte_has_come(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a job's own reporter and its heartbeat: the real seconds, while it waits and while it reconnects."""
    monkeypatch.setattr("civitai_manager_libs.civitai.transport.READ_TIMEOUT", 3.5)
    bench.demo.fault("stall", path="/model/", times=1, after=20_000, seconds=20)
    bench.demo.fault("storage_error", path="/model/", times=6, status=503)
    texts: list[str] = []
    board = Board()
    board.set("job", kind="download", title="", state="running", created=0.0)
    monkeypatch.setattr(board, "set", lambda job_id, **fields: texts.append(fields["text"]))
    context = Context("job", "download", {}, board, None)  # type: ignore[arg-type]
    download = bench.download()
    download.patience = download.reporter = context
    over = threading.Event()

    def heart() -> None:
        while not over.wait(0.3):
            context.beat()

    thread = threading.Thread(target=heart)
    thread.start()
    try:
        whole(bench, download.run())
    finally:
        over.set()
        thread.join()
    context.end()
    told = [text for text in dict.fromkeys(texts) if text]
    assert told[0] == "connecting" and "no byte for 2 s" in told and "no byte for 3 s" in told
    reconnecting = [
        int(found[1]) for text in told if (found := re.fullmatch(r"no byte for (\d+) s(?:, the storage is busy \(503\))?, reconnecting", text))
    ]
    assert reconnecting and reconnecting[0] >= 3, told
    assert texts[-1] == "verifying"


def test_resets_again_and_again_still_end_well_and_never_start_over(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=4, after=9_000)
    whole(bench, bench.download().run())
    assert bench.watcher.bytes_done == sorted(bench.watcher.bytes_done)


def test_a_broken_line_is_continued_with_range_and_the_same_link(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    whole(bench, bench.download().run())
    assert len(bench.asked("api")) == 1
    first, second = bench.asked("storage")
    assert not first["headers"].get("Range") and second["headers"]["Range"].startswith("bytes=") and second["headers"]["If-Range"]


def test_an_expired_link_is_asked_for_again(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    bench.demo.fault("expired", path="/model/", times=1)
    whole(bench, bench.download().run())
    assert len(bench.asked("api")) == 2


def test_a_link_that_expires_after_many_lost_connections_is_asked_for_again(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    bench.demo.fault("reset", path="/model/", times=5, after=0)
    bench.demo.fault("expired", path="/model/", times=1)
    whole(bench, bench.download().run())
    assert len(bench.asked("api")) == 2


def test_repeating_the_same_bytes_is_no_progress(bench: Bench) -> None:
    for revision in range(200):  # another ETag each time, so that every Range is answered with the whole file, which is cut
        bench.demo.fault("changed_file", path="/model/", times=1, revision=revision % 2 + 1, after=30_000)
    began = time.monotonic()
    with pytest.raises(errors.Interrupted):
        bench.download(stall_limit=1.0).run()
    assert time.monotonic() - began < 15


def test_a_long_retry_after_ends_the_download_with_the_time(bench: Bench) -> None:
    download = bench.download()
    bench.demo.fault("rate_limit", path="/api/download/", retry_after=3600)
    with pytest.raises(errors.RateLimited) as limited:
        download.run()
    assert limited.value.until


def test_a_request_to_stop_does_not_wait_for_the_first_byte(bench: Bench) -> None:
    bench.demo.fault("slow", path="/model/", times=1, seconds=8)
    timer = threading.Timer(0.7, lambda: bench.watcher.stop.set("pause"))
    timer.start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        bench.download().run()
    assert time.monotonic() - began < 4


def test_a_server_that_ignores_range_starts_from_zero(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    bench.demo.fault("ignore_range", path="/model/", times=1)
    whole(bench, bench.download().run())


def test_a_range_refused_starts_from_zero(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    bench.demo.fault("range_416", path="/model/", times=1)
    whole(bench, bench.download().run())


def test_a_file_that_changes_in_the_middle_is_not_glued_together(bench: Bench) -> None:
    bench.demo.fault("changed_file", path="/model/", times=1, revision=1, same_bytes=False, after=30_000)
    whole(bench, bench.download().run())


def test_a_stall_is_noticed_and_resumed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("civitai_manager_libs.civitai.transport.READ_TIMEOUT", 0.5)
    bench.demo.fault("stall", path="/model/", times=1, after=20_000, seconds=20)
    began = time.monotonic()
    whole(bench, bench.download().run())
    assert time.monotonic() - began < 10
    assert any("reconnecting" in text for text in bench.watcher.texts)


def test_no_progress_for_too_long_stops_as_resumable(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    bench.demo.fault("storage_error", path="/model/", status=503)
    with pytest.raises(errors.Interrupted):
        bench.download(stall_limit=0.6).run()
    arrived = Part(bench.target).path.stat().st_size
    assert arrived > 0 and not bench.target.exists()
    bench.demo.clear_faults()
    bench.demo.forget()
    whole(bench, bench.download().run())
    assert bench.asked("storage")[0]["headers"]["Range"] == f"bytes={arrived}-"


def test_a_server_that_is_gone_is_waited_for(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    bench.watcher.at_bytes = (30_000, bench.demo.stop_storage)
    timer = threading.Timer(1.5, bench.demo.start_storage)
    timer.start()
    try:
        whole(bench, bench.download().run())
    finally:
        timer.join()
        bench.demo.start_storage()
    assert "no connection, reconnecting" in bench.watcher.texts


def test_gone_for_too_long_is_offline_and_resumable(bench: Bench) -> None:
    bench.watcher.at_bytes = (1, bench.demo.stop_storage)
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    try:
        with pytest.raises(errors.Offline):
            bench.download(stall_limit=0.6).run()
    finally:
        bench.demo.start_storage()
    whole(bench, bench.download().run())


@pytest.mark.parametrize("reason", ["pause", "cancel", "shutdown"])
def test_a_request_to_stop_keeps_what_arrived(bench: Bench, reason: str) -> None:
    bench.demo.fault("drip", path="/model/", times=1, rate=60_000)
    bench.watcher.at_bytes = (20_000, lambda: bench.watcher.stop.set(reason))
    with pytest.raises(Stopped) as stopped:
        bench.download().run()
    assert stopped.value.reason == reason
    assert Part(bench.target).path.stat().st_size >= 20_000
    bench.watcher = Watcher()
    whole(bench, bench.download().run())
    assert bench.watcher.bytes_done[0] > 0


def test_a_request_to_stop_wakes_a_read_that_waits(bench: Bench) -> None:
    bench.demo.fault("stall", path="/model/", times=1, after=20_000, seconds=25)
    timer = threading.Timer(0.7, lambda: bench.watcher.stop.set("pause"))
    timer.start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        bench.download().run()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("fault", ["html_file", "json_file"])
def test_a_text_instead_of_a_model_is_refused(bench: Bench, fault: str) -> None:
    bench.demo.fault(fault, path="/model/")
    with pytest.raises(errors.WrongContent):
        bench.download().run()
    assert list(bench.target.parent.iterdir()) == []


def test_wrong_bytes_are_kept_aside_under_a_clear_name(bench: Bench) -> None:
    bench.demo.fault("wrong_bytes", path="/model/")
    with pytest.raises(errors.HashMismatch) as failed:
        bench.download().run()
    assert [path.name for path in bench.target.parent.iterdir()] == ["model.safetensors.wrong-hash"]
    assert "model.safetensors.wrong-hash" in str(failed.value)
    assert len(bench.asked("storage")) == 1  # the size was right, so a second try is the person's choice
    bench.demo.clear_faults()
    bench.download().run()
    assert {path.name for path in bench.target.parent.iterdir()} >= {"model.safetensors", "model.safetensors.wrong-hash"}


def test_a_damaged_part_is_noticed_and_fetched_again(bench: Bench) -> None:
    bench.demo.fault("reset", path="/model/", times=1, after=30_000)
    bench.demo.fault("storage_error", path="/model/", status=503)
    with pytest.raises(errors.Interrupted):
        bench.download(stall_limit=0.3).run()
    part = Part(bench.target).path
    data = bytearray(part.read_bytes())
    data[100] ^= 0xFF
    part.write_bytes(data)
    bench.demo.clear_faults()
    whole(bench, bench.download().run())


def test_a_part_of_another_file_is_not_continued(bench: Bench) -> None:
    part = Part(bench.target)
    part.path.write_bytes(b"x" * 5000)
    part.save(Identity(1, 2, 3, "0" * 63 + "1"))
    whole(bench, bench.download().run())


@pytest.mark.parametrize("state", [b"", b"{", b'{"size": "x"}', None])
def test_a_part_with_a_broken_state_starts_from_zero(bench: Bench, state: bytes | None) -> None:
    part = Part(bench.target)
    part.path.write_bytes(b"x" * 5000)
    if state is not None:
        part.state.write_bytes(state)
    arrived = bench.download().run()
    aside = bench.target.with_name("model.safetensors.part.unknown")
    assert aside.read_bytes() == b"x" * 5000, "bytes that are not known as ours are not deleted"
    aside.unlink()
    whole(bench, arrived)


def test_a_whole_part_is_only_verified(bench: Bench) -> None:
    bench.download().run()
    data = bench.target.read_bytes()
    bench.target.unlink()
    version, file = bench.subject()
    part = Part(bench.target)
    part.path.write_bytes(data)
    part.save(Identity(version.id, file.id, file.size, file.sha256, total=file.size))
    bench.demo.forget()
    whole(bench, bench.download().run())
    assert bench.asked("storage") == []


def test_a_part_longer_than_the_file_is_fetched_again(bench: Bench) -> None:
    version, file = bench.subject()
    part = Part(bench.target)
    part.path.write_bytes(b"x" * (file.size + 10))
    part.save(Identity(version.id, file.id, file.size, file.sha256, total=file.size))
    whole(bench, bench.download().run())


def test_an_existing_file_is_never_touched(bench: Bench) -> None:
    bench.target.write_bytes(b"mine")
    with pytest.raises(errors.FileExists):
        bench.download().run()
    assert bench.target.read_bytes() == b"mine"


def test_a_file_that_appears_meanwhile_is_never_overwritten(bench: Bench) -> None:
    bench.demo.fault("drip", path="/model/", times=1, rate=200_000)
    bench.watcher.at_bytes = (20_000, lambda: bench.target.write_bytes(b"mine"))  # type: ignore[arg-type,return-value]
    with pytest.raises(errors.FileExists):
        bench.download().run()
    assert bench.target.read_bytes() == b"mine"
    assert Part(bench.target).path.exists()


def test_without_a_hash_the_file_arrives_unverified(bench: Bench) -> None:
    arrived = bench.download(sha256="").run()
    assert not arrived.verified and bench.target.exists()


@pytest.mark.parametrize(
    ("case", "key", "expected"),
    [
        ("variants_same_name", "", errors.LoginRequired),
        ("variants_same_name", "wrong", errors.KeyRejected),
        ("early_access", KEY, errors.EarlyAccess),
        ("early_access_permanent", KEY, errors.EarlyAccess),
        ("generation_only", KEY, errors.DownloadsDisabled),
    ],
)
def test_each_refusal_is_its_own_error_with_a_next_step(
    bench: Bench, tmp_path: Path, case: str, key: str, expected: type[errors.RemoteError]
) -> None:
    guest = Bench(bench.demo, tmp_path / "guest", key)
    with pytest.raises(expected) as refused:
        guest.download(case).run()
    assert refused.value.next_step and list(guest.target.parent.iterdir()) == []
    if case == "early_access":
        assert refused.value.deadline  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("download_limit", errors.QuotaExceeded),
        ("forbidden", errors.RemoteError),
        ("challenge", errors.ServiceDown),
        ("region", errors.RegionBlocked),
    ],
)
def test_refusals_of_the_download_address(bench: Bench, fault: str, expected: type[errors.RemoteError]) -> None:
    download = bench.download()
    bench.demo.fault(fault, path="/api/download/")
    with pytest.raises(expected):
        download.run()
    assert list(bench.target.parent.iterdir()) == []


@pytest.mark.parametrize("fault", ["maintenance", "error", "rate_limit"])
def test_a_busy_api_is_asked_again(bench: Bench, fault: str) -> None:
    download = bench.download()
    bench.demo.fault(fault, path="/api/download/", times=2)
    whole(bench, download.run())


def test_the_state_file_holds_no_secret(bench: Bench) -> None:
    bench.demo.fault("drip", path="/model/", times=1, rate=60_000)
    bench.watcher.at_bytes = (20_000, lambda: bench.watcher.stop.set("pause"))
    with pytest.raises(Stopped):
        bench.download().run()
    state = Part(bench.target).state.read_text()
    assert KEY not in state and "Signature" not in state
    assert msgspec.json.decode(state)["file_id"]
