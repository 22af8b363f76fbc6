"""Asking Civitai whether it is there: without the key first, then with it; failures are the usual ones, and soon."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from support import NOWHERE, done, finished, make_application


def test_civitai_is_reached_and_takes_the_key(running: Any, demo: Any) -> None:
    result = done(running, running.reach())
    assert result["address"] == demo.url and result["key"] == "accepted" and 0 <= result["milliseconds"] < 10_000
    assert [(one["path"], one["key"]) for one in demo.requests] == [("/api/v1/enums", ""), ("/api/v1/me", "demo")]


def test_a_wrong_key_is_told_without_failing(tmp_path: Path, demo: Any) -> None:
    application = make_application(tmp_path, demo, key="wrong-key-000000000000")
    application.start()
    try:
        assert done(application, application.reach())["key"] == "not accepted"
    finally:
        application.close()


def test_without_a_key_one_request_is_enough(tmp_path: Path, demo: Any) -> None:
    application = make_application(tmp_path, demo, key="")
    application.start()
    try:
        assert done(application, application.reach())["key"] == "none"
        assert len(demo.requests) == 1
    finally:
        application.close()


def test_no_connection_is_the_usual_error(tmp_path: Path) -> None:
    application = make_application(tmp_path, NOWHERE, http_timeout=600, http_retry_delay=0.05)
    application.start()
    try:
        began = time.monotonic()
        view = finished(application, application.reach(), 60)
        assert view.state == "failed" and view.error is not None and view.error["code"] == "offline"
        assert time.monotonic() - began < 40, "who asks does not wait ten minutes"
    finally:
        application.close()


def test_one_press_is_one_job(running: Any) -> None:
    ticket = "0123456789ab"
    assert running.reach(ticket=ticket) == ticket
    done(running, ticket)
    assert running.reach(ticket=ticket) == ticket
    assert [view["id"] for view in running.jobs.changes()["jobs"]] == [ticket]
