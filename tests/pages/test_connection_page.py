"""The page when the server does not answer: what was started is kept and sent once, results are told once, and the connection view says how it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from demo.specials import SPECIAL
from tests.hostapp.harness import open_tab, until
from tests.pages import steps
from tests.pages.conftest import IN_HOST

LIFE = '.cm-job[data-job="{}"][data-life="{}"]'


@pytest.fixture(scope="module")
def own_app(make_app: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A product that may be killed, and that nobody else's library is in."""
    with make_app(tmp_path_factory.mktemp("connection")) as running:
        yield running


def opened(browser: Any, app: Any, **options: Any) -> tuple[Any, steps.Watch]:
    page = browser.open(app.url, **options)
    page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')")
    return page, steps.Watch(page)


def lost(page: Any) -> None:
    page.evaluate("void window.civitaiManager.poll()")
    page.wait_for_selector(".cm-connection.cm-lost:has-text('Reconnecting')", timeout=20_000)


def back(page: Any) -> None:
    page.wait_for_selector(".cm-connection:not(.cm-lost) .cm-connection-word:text-is('Connected')", timeout=40_000)


def registrations(app: Any, model_id: int) -> list[dict[str, Any]]:
    return [view for view in app.jobs() if view["kind"] == "register" and str(model_id) in str(view["title"]) + str(view["result"])]


def check_errors(browser: Any) -> None:
    """Chromium itself writes a line for each request that fails."""
    assert [error for error in browser.errors if not error.startswith("Failed to load resource")] == []


def drop(page: Any, text: str) -> None:
    page.evaluate(
        """text => {
        const data = new DataTransfer();
        data.setData("text/plain", text);
        document.getElementById("civitai_manager").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
    }""",
        text,
    )


def test_what_is_pressed_while_the_server_is_down_happens_once_when_it_is_back(own_app: Any, browser: Any) -> None:
    app = own_app
    pressed, dropped, again = (SPECIAL[name].model_id for name in ("variants_same_name", "many_versions", "digit_username"))
    page, watch = opened(browser, app)
    app.kill()
    steps.register(page, str(pressed))  # the page does not know yet that nobody is there
    page.wait_for_selector(".cm-connection.cm-lost:has-text('Reconnecting · 1 kept')", timeout=20_000)
    page.wait_for_selector(".cm-kept:has-text('What you started is kept; it is sent when the server answers again.')")
    drop(page, str(dropped))  # and now it does
    page.wait_for_selector(".cm-connection:has-text('2 kept')")
    steps.register(page, str(again))
    page.wait_for_selector(".cm-connection:has-text('3 kept')")
    page.fill("#cm_links textarea", "typed meanwhile")
    app.start()
    back(page)
    for model_id in (pressed, dropped, again):
        steps.card(page, model_id).wait_for(timeout=40_000)
        assert len(registrations(app, model_id)) == 1
    assert page.locator(".cm-kept").is_hidden()
    page.wait_for_timeout(500)
    assert page.input_value("#cm_links textarea") == "typed meanwhile", "what was typed after the press is not taken away"
    assert len(app.jobs()) == 3
    watch.check()
    check_errors(browser)


def test_what_is_pressed_again_is_kept_once_and_an_empty_box_is_no_error(own_app: Any, browser: Any) -> None:
    app = own_app
    pressed, dropped = (SPECIAL[name].model_id for name in ("no_creator", "unrated"))
    page, watch = opened(browser, app)
    before = len(app.jobs())
    app.kill()
    lost(page)
    for _ in range(3):
        steps.register(page, str(pressed))
        page.wait_for_timeout(300)
    drop(page, str(dropped))
    drop(page, str(dropped))
    page.wait_for_selector(".cm-connection:has-text('2 kept')")
    page.wait_for_timeout(500)
    assert page.evaluate("window.civitaiManager.outbox.count()") == 2
    app.start()
    back(page)
    for model_id in (pressed, dropped):
        steps.card(page, model_id).wait_for(timeout=40_000)
        assert len(registrations(app, model_id)) == 1
    page.wait_for_function("() => document.querySelector('#cm_links textarea').value === ''")
    for _ in range(3):
        page.click("#cm_register")
        page.wait_for_timeout(300)
    assert len(app.jobs()) == before + 2 and page.locator(".cm-says").is_hidden()
    watch.check()
    check_errors(browser)


def test_what_is_kept_outlives_the_page(own_app: Any, browser: Any) -> None:
    """Left, or loaded anew, before the server had answered: the next page of this browser tab sends it, once."""
    app = own_app
    pressed, dropped = (SPECIAL[name].model_id for name in ("gguf_variants", "vae_beside"))
    page, _ = opened(browser, app)
    app.kill()
    lost(page)
    steps.register(page, f"https://civitai.com/models/{pressed}?token=abcdef0123456789")
    drop(page, str(dropped))
    page.wait_for_selector(".cm-connection:has-text('2 kept')")
    assert "abcdef0123456789" not in page.evaluate("JSON.stringify(window.sessionStorage)"), "a key in a pasted link is not stored"
    page.goto("about:blank")
    app.start()
    page.goto(app.url)
    open_tab(page)
    watch = steps.Watch(page)
    for model_id in (pressed, dropped):
        until(lambda model_id=model_id: [view["state"] for view in registrations(app, model_id)] == ["done"], 60, "one registration")
    page.wait_for_function("() => window.civitaiManager.outbox.entries.length === 0 && window.civitaiManager.recall('outbox', []).length === 0")
    steps.reload(page)
    page.wait_for_timeout(1500)
    assert [len(registrations(app, model_id)) for model_id in (pressed, dropped)] == [1, 1], "not once more"
    watch.begin()
    watch.check()
    check_errors(browser)


def test_an_answer_that_does_not_arrive_does_not_start_it_twice(own_app: Any, browser: Any) -> None:
    """The first time the server gets the request and the page gets nothing; gradio's own and our own route."""
    app, model = own_app, SPECIAL["medium_file"].model_id
    page, watch = opened(browser, app)
    seen: list[str] = []

    def swallow(route: Any) -> None:
        seen.append(route.request.url)
        if len(seen) == 1:
            route.fetch()
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/run/predict", swallow)
    steps.register(page, str(model))
    until(lambda: page.wait_for_timeout(100) or len(seen) > 1, 30, "the second attempt")
    steps.card(page, model).wait_for(timeout=20_000)
    assert len(registrations(app, model)) == 1
    page.unroute("**/run/predict")
    seen.clear()
    page.route("**/civitai-manager/register", swallow)
    drop(page, str(model))
    until(lambda: page.wait_for_timeout(100) or len(seen) > 1, 30, "the second attempt")
    until(lambda: len(registrations(app, model)) == 2 and all(view["state"] == "done" for view in registrations(app, model)), 20, "two, not three")
    watch.check()
    check_errors(browser)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_that_answers_for_the_server_is_not_an_answer(own_app: Any, browser: Any, status: int) -> None:
    app, model = own_app, SPECIAL["medium_file"].model_id
    app.register(str(model))
    page, watch = opened(browser, app)
    steps.open_model(page, model)
    page.fill("#cm_note textarea, #cm_note input", f"kept over {status}")
    page.route("**/run/predict", lambda route: route.fulfill(status=status, content_type="text/html", body="<h1>Bad gateway</h1>"))
    page.locator("#cm_note textarea, #cm_note input").first.blur()
    page.wait_for_selector(".cm-connection:has-text('1 kept')", timeout=10_000)
    page.unroute("**/run/predict")
    page.wait_for_function(f"async () => (await (await fetch('/civitai-manager/cards?q=%22over {status}%22')).json()).total === 1", timeout=20_000)
    back(page)
    watch.check()
    check_errors(browser)


def test_a_login_that_ended_is_told_and_what_was_started_waits_for_the_next(own_app: Any, browser: Any) -> None:
    app, model = own_app, SPECIAL["null_stats"].model_id
    page, watch = opened(browser, app)
    for address in ("**/run/predict", "**/civitai-manager/jobs?*"):
        page.route(address, lambda route: route.fulfill(status=401, json={"detail": "Not authenticated"}))
    steps.register(page, str(model))
    page.wait_for_selector(".cm-kept:has-text('Your login has ended.'):has-text('logged in in another tab')", timeout=15_000)
    page.wait_for_selector(".cm-connection.cm-lost:has-text('Log in again · 1 kept')")
    for address in ("**/run/predict", "**/civitai-manager/jobs?*"):
        page.unroute(address)
    steps.card(page, model).wait_for(timeout=30_000)
    assert len(registrations(app, model)) == 1
    watch.check()


def test_the_page_asks_less_often_but_never_gives_up(own_app: Any, browser: Any) -> None:
    """The page's clock is run ahead: what counts is how far apart the questions are."""
    page = browser.page()
    page.clock.install()
    page.goto(own_app.url)
    open_tab(page)
    page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')")
    page.evaluate("""() => {
        window.asked = [];
        const cm = window.civitaiManager;
        cm.get = (path) => { if (path.startsWith("jobs?")) { window.asked.push(performance.now()); } return Promise.reject(new TypeError("no")); };
        void cm.poll();
    }""")

    def waits(seconds: int) -> list[int]:
        page.evaluate("() => { window.asked = window.asked.slice(-1); }")
        for _ in range(seconds):
            page.clock.run_for(1000)
            page.evaluate("() => Promise.resolve()")
        return page.evaluate("() => window.asked.slice(1).map((at, index) => Math.round((at - window.asked[index]) / 1000))")

    first = waits(60)
    assert first[:5] == [1, 2, 4, 8, 15], first
    assert set(waits(120)) == {15}, "and so on for as long as the page lives"
    page.evaluate("void window.civitaiManager.post('jobs/none/cancel')")
    assert max(waits(60)[1:]) <= 5, "something is kept: not so long"
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {value: true, configurable: true}); window.civitaiManager.outbox.entries.length = 0; }"
    )
    waits(20)
    assert waits(60) == [], "nobody looks"
    page.evaluate("() => { Object.defineProperty(document, 'hidden', {value: false}); document.dispatchEvent(new Event('visibilitychange')); }")
    assert page.evaluate("window.asked.length") == 2, "seen again: at once"


def test_of_choices_only_the_last_is_sent_again(own_app: Any, browser: Any) -> None:
    app, ids = own_app, [SPECIAL[name].model_id for name in ("variants_same_name", "many_versions", "medium_file")]
    app.register("\n".join(map(str, ids)))
    page, watch = opened(browser, app)
    for model_id in ids:
        steps.card(page, model_id).wait_for()
    page.route("**/run/predict", lambda route: route.abort("connectionreset"))
    page.route("**/civitai-manager/jobs?*", lambda route: route.abort("connectionreset"))
    lost(page)
    for model_id in ids:
        steps.card(page, model_id).click()
        steps.settled(page)
    page.wait_for_timeout(300)
    assert page.evaluate("window.civitaiManager.outbox.entries.length") <= 1, "at most one is kept"
    assert page.evaluate("window.civitaiManager.outbox.count()") == 0, "to look at something is not worth a word"
    sent: list[str] = []
    page.unroute("**/run/predict")
    page.on("request", lambda request: sent.extend([request.post_data] if "/run/predict" in request.url else []))
    page.unroute("**/civitai-manager/jobs?*")
    back(page)
    steps.shown(page, ids[-1])
    assert len([body for body in sent if f":{ids[0]}:" in body or f":{ids[1]}:" in body]) == 0, sent
    watch.check()


@pytest.mark.skipif(not IN_HOST, reason="alone there are no other events")
def test_the_host_s_own_events_are_not_touched(own_app: Any, browser: Any) -> None:
    """A request of an event that is not ours fails as it always did."""
    page, _ = opened(browser, own_app)
    foreign = page.evaluate(
        """() => {
        const parts = new Map(window.gradio_config.components.map((part) => [part.id, part.props.elem_id || ""]));
        const found = window.gradio_config.dependencies.findIndex((one) => one.outputs.some((id) => parts.get(id) === "txt2img_result"));
        return window.gradio_config.dependencies[found].id ?? found;
    }"""
    )
    page.route("**/run/predict", lambda route: route.abort("connectionreset"))
    ask = """number => fetch("./run/predict", {method: "POST", body: JSON.stringify({fn_index: number, data: []})})
        .then((answer) => answer.status, (error) => error.name)"""
    assert page.evaluate(ask, foreign) == "TypeError"
    assert page.evaluate("window.civitaiManager.outbox.entries.length") == 0
    page.unroute("**/run/predict")
    page.route("**/run/predict", lambda route: route.fulfill(status=503, body="busy"))
    assert page.evaluate(ask, foreign) == 503


def test_a_restart_with_another_page_sends_to_the_same_event_under_its_new_number(own_app: Any, browser: Any) -> None:
    """An extension more, and every number is another: what is kept must not run somebody else's function."""
    app, model = own_app, SPECIAL["pickle_danger"].model_id
    page, watch = opened(browser, app)
    config = app.get("/config").json()
    gone = page.evaluate("() => window.gradio_config.dependencies.length")
    # the server's page, as after a restart: other numbers, and those of this page belong to nobody
    for position, one in enumerate(config["dependencies"]):
        one["id"] = one.get("id", position) + 100
    page.route("**/config", lambda route: route.fulfill(status=200, json=config))
    numbers: list[int] = []

    def answer(route: Any) -> None:
        body = route.request.post_data_json
        numbers.append(body["fn_index"])
        route.continue_(post_data={**body, "fn_index": body["fn_index"] - 100})

    app.kill()
    lost(page)
    steps.register(page, str(model))
    page.wait_for_selector(".cm-connection:has-text('1 kept')")
    page.route("**/run/predict", answer)
    app.start()
    back(page)
    steps.card(page, model).wait_for(timeout=30_000)
    assert numbers and all(number >= 100 for number in numbers), (numbers, gone)
    assert len(registrations(app, model)) == 1
    watch.check()


def test_results_that_came_while_the_browser_was_away_are_told_once(own_app: Any, browser: Any, demo: Any) -> None:
    app, ids = own_app, SPECIAL["wrong_hash"]
    app.register(str(SPECIAL["medium_file"].model_id))
    page, _ = opened(browser, app)
    assert page.locator(".cm-meanwhile").is_hidden(), "the first visit tells nothing old"
    context = page.context
    page.goto("about:blank")
    app.register(str(ids.model_id))
    job = app.post("/civitai-manager/register", json={"text": "https://civitai.com/models/99999999"}).json()["job"]
    until(lambda: any(view["id"] == job and view["finished"] for view in app.jobs()), 40, "the failed one")
    app.kill()
    app.start()
    page.goto(app.url)
    page.wait_for_selector(".cm-meanwhile", state="attached", timeout=30_000)
    page.wait_for_function("() => document.querySelector('.cm-meanwhile').textContent.includes('2 jobs ended while this page was away: failed:')")
    assert page.locator(".cm-tray.cm-open").count() == 1, "a failure opens the tray"
    rows = [row.get_attribute("data-job") for row in page.locator(".cm-job").all()]
    assert len(rows) == len(set(rows)) and job in rows
    other = context.new_page()
    for again in (other, page):
        again.goto(app.url)
        again.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')", state="attached", timeout=30_000)
        again.wait_for_function("() => window.civitaiManager.jobs.size > 0")
        assert again.evaluate("document.querySelector('.cm-meanwhile').hidden") is True
    second, _ = opened(browser, app)
    assert second.locator(".cm-meanwhile").is_hidden(), "another browser was never here"


def test_rows_tell_working_waiting_and_dead_apart(own_app: Any, browser: Any, demo: Any) -> None:
    app, ids = own_app, SPECIAL["medium_file"]
    app.register(str(ids.model_id))
    demo.fault("drip", rf"/{ids.file_id}\.", rate=400_000)
    page, watch = opened(browser, app)
    steps.open_model(page, ids.model_id)
    page.click("#cm_download")
    job = steps.download(app, ids.model_id, "running")["id"]
    page.evaluate("document.querySelector('.cm-tray:not(.cm-open) .cm-tray-toggle')?.click()")
    page.wait_for_selector(LIFE.format(job, "working"), timeout=20_000)
    silent = """id => {
        const cm = window.civitaiManager;
        const job = {...cm.jobs.get(id), quiet: 14, text: "no byte for 14 s", state: "running"};
        cm.jobs.set(id, job);
        cm.emit("jobs", {ended: [], away: [], restarted: false});
        const row = document.querySelector(`.cm-job[data-job="${id}"]`);
        return [row.dataset.life, row.querySelector(".cm-job-text").textContent];
    }"""
    assert page.evaluate(silent, job) == ["waiting", "Waiting · no byte for 14 s"]
    page.wait_for_selector(LIFE.format(job, "working"), timeout=20_000)
    page.route("**/civitai-manager/jobs?*", lambda route: route.abort("connectionreset"))
    page.wait_for_selector(LIFE.format(job, "dead") + " .cm-job-text:has-text('As of ')", timeout=20_000)
    assert "As of " in page.text_content(".cm-tray-summary") and "MB/s" not in page.text_content(".cm-tray-summary")
    page.unroute("**/civitai-manager/jobs?*")
    page.wait_for_selector(LIFE.format(job, "working"), timeout=30_000)
    assert app.post(f"/civitai-manager/jobs/{job}/cancel").status_code == 200
    page.wait_for_selector(LIFE.format(job, ""), timeout=20_000)
    watch.check()


def test_an_interrupted_job_is_offered(own_app: Any, browser: Any) -> None:
    page, _ = opened(browser, own_app)
    page.evaluate("document.querySelector('.cm-tray.cm-open .cm-tray-toggle')?.click()")
    offered = """async ids => {
        const cm = window.civitaiManager;
        for (const id of ids) {
            const text = "Interrupted: the program that worked on it has ended.";
            cm.jobs.set(id, {id, kind: "download", title: id, state: "paused", created: 1, text, can: ["resume", "cancel"]});
        }
        cm.emit("jobs", {ended: [], away: [], restarted: true});
        const all = [...document.querySelectorAll(".cm-tray-line .cm-link")].find((node) => node.textContent === "Resume all");
        return [document.querySelector(".cm-tray").classList.contains("cm-open"), !all.hidden,
            ids.map((id) => document.querySelector(`.cm-job[data-job="${id}"]`).dataset.life),
            document.querySelectorAll(".cm-job [data-verb=resume]").length >= ids.length];
    }"""
    assert page.evaluate(offered, ["stopped-a"]) == [True, False, ["dead"], True]
    assert page.evaluate(offered, ["stopped-a", "stopped-b"]) == [True, True, ["dead", "dead"], True]


def test_the_connection_view(own_app: Any, browser: Any) -> None:
    app = own_app
    page, watch = opened(browser, app, permissions=["clipboard-read", "clipboard-write"])
    page.click(".cm-connection")
    page.wait_for_selector(".cm-diagnostics th:text-is('gradio')", timeout=10_000)
    page.wait_for_selector('[data-view="connection"][aria-current=page]')
    row = "[...document.querySelectorAll('.cm-diagnostics tr')].find((row) => row.textContent.startsWith('Questions'))"
    polls = f"() => Number({row}.children[1].textContent)"
    before = page.evaluate(polls)
    page.evaluate("void window.civitaiManager.poll()")
    page.wait_for_function(f"before => ({polls})() > before", arg=before)
    page.click("text=Ask Civitai")
    page.wait_for_selector(".cm-diagnostics-bar:has-text('Civitai answers in')", timeout=20_000)
    page.wait_for_selector(".cm-diagnostics-bar:has-text('your key is accepted.')")
    page.click("text=Copy for a bug report")
    page.wait_for_selector(".cm-diagnostics-bar:has-text('Copied.')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "Versions\n" in copied and "  gradio: " in copied and "This page\n" in copied and "Civitai answers in" in copied
    assert app._key not in copied
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); document.execCommand = () => false; }")
    page.click("text=Copy for a bug report")
    page.wait_for_selector(".cm-diagnostics textarea:visible")
    assert page.evaluate("window.getSelection().toString().includes('This page') || document.activeElement.value.includes('This page')")
    page.click('[data-view="library"]')
    page.wait_for_selector("#cm_connection_view", state="hidden")
    watch.check()
    check_errors(browser)
