"""One press is one ticket: a request that comes twice, because its first answer was lost, does its work once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import done, finished, make_application

from demo.catalogue import SPECIAL

OTTER = SPECIAL["training_data_first"]
TICKET = "0123456789ab"

PRESSES: dict[str, Callable[[Any, str], str]] = {
    "register": lambda application, ticket: application.register(str(SPECIAL["medium_file"].model_id), ticket=ticket),
    "refresh": lambda application, ticket: application.refresh(OTTER.model_id, ticket=ticket),
    "download": lambda application, ticket: application.download(OTTER.version_id, ticket=ticket),
    "thumbnail": lambda application, ticket: application.choose_thumbnail(OTTER.model_id, picture(application), ticket=ticket),
    "test_key": lambda application, ticket: application.test_key(ticket=ticket),
}


def picture(application: Any) -> str:
    return str(next(image["url"] for image in application.model_view(OTTER.model_id)["versions"][0]["images"] if image["type"] == "image"))


def jobs(application: Any, kind: str) -> list[str]:
    return [job["id"] for job in application.jobs.changes()["jobs"] if job["kind"] == kind and job["title"] != f"Register {OTTER.model_id}"]


@pytest.mark.parametrize("press", PRESSES)
def test_sent_twice_is_done_once(running: Any, demo: Any, press: str) -> None:
    done(running, running.register(str(OTTER.model_id)))
    ids: list[str] = []
    together = threading.Barrier(4)

    def send() -> None:
        together.wait()
        ids.append(PRESSES[press](running, TICKET))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids == [TICKET] * 4
    done(running, TICKET)
    demo.forget()
    assert PRESSES[press](running, TICKET) == TICKET, "and once more when it has ended"
    kind = running.jobs.view(TICKET).kind
    assert jobs(running, kind) == [TICKET] and demo.requests == []


@pytest.mark.parametrize("press", PRESSES)
def test_without_a_ticket_all_is_as_before(running: Any, press: str) -> None:
    done(running, running.register(str(OTTER.model_id)))
    assert finished(running, PRESSES[press](running, "")).state == "done"


def test_a_download_that_is_asked_for_again_after_a_restart_is_the_same(tmp_path: Path, demo: Any) -> None:
    first = make_application(tmp_path, demo)
    first.start()
    done(first, first.register(str(OTTER.model_id)))
    path = Path(done(first, first.download(OTTER.version_id, ticket=TICKET))["path"])
    first.close()
    path.unlink()  # a person has removed it since: the old press does not bring it back
    second = make_application(tmp_path, demo)
    second.start()
    try:
        assert second.download(OTTER.version_id, ticket=TICKET) == TICKET
        assert jobs(second, "download") == [TICKET] and not path.exists()
        assert done(second, second.download(OTTER.version_id)) and path.exists(), "a new press does"
    finally:
        second.close()


def test_a_repeated_press_does_not_wake_a_paused_download(running: Any, demo: Any) -> None:
    case = SPECIAL["medium_file"]
    done(running, running.register(str(case.model_id)))
    demo.fault("drip", path="/model/", rate=200_000)
    job = running.download(case.version_id, ticket=TICKET)
    running.jobs.wait(job, 10, until=("running",))
    running.jobs.pause(job)
    assert finished(running, job).state == "paused"
    assert running.download(case.version_id, ticket=TICKET) == TICKET and running.jobs.view(TICKET).state == "paused"
    running.jobs.cancel(TICKET)
