"""Behind a login: nothing is told before, and the page works after."""

from __future__ import annotations

from typing import Any

from demo.specials import SPECIAL
from tests.hostapp.harness import open_tab
from tests.pages import steps
from tests.pages.conftest import IN_HOST

READS = ("jobs?since=0", "cards", "facets", "thumbnail/4000000", "assets/style.css")


def test_the_page_works_after_the_login_and_nothing_is_told_before(make_app: Any, tmp_path: Any, browser: Any, demo: Any) -> None:
    model = SPECIAL["many_versions"].model_id
    with make_app(tmp_path, arguments=["--gradio-auth" if IN_HOST else "--auth", "ada:secret"]) as app:
        for path in READS:
            assert app.get(f"/civitai-manager/{path}").status_code == 401, path
        for path in ("register", "jobs/none/cancel"):
            assert app.post(f"/civitai-manager/{path}", json={"text": str(model)}).status_code == 401, path
        page = browser.page()
        page.goto(app.url)
        page.get_by_label("username").fill("ada")
        page.get_by_label("password").fill("secret")
        page.get_by_role("button", name="Login").click()
        open_tab(page)
        browser.errors.clear()  # what gradio asks for before the login is its own affair
        steps.register(page, steps.link(demo, "many_versions"))
        steps.card(page, model).wait_for(timeout=20_000)
        steps.shown(page, model)
        page.wait_for_function(
            "() => { const i = document.querySelector('#cm_head img[data-cm-src]'); return i && i.complete && i.naturalWidth > 0; }"
        )
        page.click("#cm_download")
        page.wait_for_selector("#cm_file_state:has-text('Downloaded:')", timeout=20_000)
        assert browser.errors == []
        page.context.clear_cookies()
        page.evaluate("window.civitaiManager.poll()")
        page.wait_for_selector(".cm-connection.cm-lost:has-text('Log in again')", timeout=15_000)
