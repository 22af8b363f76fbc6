"""What a person does in the tab, and what the page then shows."""

from __future__ import annotations

import json
from typing import Any

from demo.specials import SPECIAL
from tests.hostapp.harness import open_tab, until

CONNECTED = "#civitai_manager.cm-ready .cm-connection:not(.cm-lost):has-text('Connected')"
WHOLE = """() => window.civitaiManager && window.civitaiManager.page && ["#cm_links textarea", "#cm_register", "#cm_choice", "#cm_version input",
    "#cm_note", "#cm_download", ".cm-tray"].every((one) => document.querySelector(one))"""
SEE_TOASTS = """() => {
    if (window.seenToasts) { return; }
    window.seenToasts = [];
    new MutationObserver(() => {
        for (const toast of document.querySelectorAll(".toast-body, .toast-wrap .error")) { window.seenToasts.push(toast.textContent.trim()); }
    }).observe(document, {childList: true, subtree: true});
}"""


class Watch:
    """What must not happen in a page: dialogs, gradio's own messages, and a load of the page that the test did not ask for."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.dialogs: list[str] = []
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        page.add_init_script(f"({SEE_TOASTS})()")
        self.begin()

    def begin(self) -> None:
        """From now on. A toast that is shown for a moment counts too."""
        self.page.evaluate(SEE_TOASTS)
        self.page.evaluate("() => { window.sameLife = true; window.seenToasts = []; }")

    def check(self) -> None:
        assert self.dialogs == []
        assert self.page.evaluate("window.sameLife") is True, "the page was loaded anew"
        assert self.page.evaluate("window.seenToasts") == []


def link(demo: Any, name: str) -> str:
    """The address of a special model as a person copies it."""
    return f"https://civitai.com/models/{SPECIAL[name].model_id}"


def register(page: Any, text: str) -> None:
    page.fill("#cm_links textarea", text)
    page.click("#cm_register")


def card(page: Any, model_id: int) -> Any:
    return page.locator(f'.cm-card[data-id="{model_id}"]')


def open_model(page: Any, model_id: int) -> None:
    """Search for a model, choose its card and wait until the panel answers for it."""
    page.fill(".cm-search", str(model_id))
    page.wait_for_selector(".cm-count:text-is('1 model')")
    card(page, model_id).click()
    shown(page, model_id)


def shown(page: Any, model_id: int) -> None:
    page.wait_for_selector("#civitai_manager.cm-panel-open:not(.cm-choosing)", timeout=15_000)
    page.wait_for_function(
        "id => (document.querySelector('#cm_head [data-cm-choice]')?.dataset.cmChoice || '').split(':')[2] === String(id)", arg=model_id
    )


def arrive(page: Any, line: Any, url: str = "") -> None:
    """Load the page (anew) and show our tab on a calm line, because without gradio's own scripts there is no page; then let the line be bad."""
    line.calm()
    page.goto(url or line.url)
    open_tab(page)
    page.wait_for_function(WHOLE, timeout=30_000)
    page.wait_for_selector(CONNECTED, timeout=30_000)
    line.reset_between(2, 6)
    line.idle(10)


def reload(page: Any) -> None:
    """Load the page anew and show our tab."""
    page.reload()
    open_tab(page)
    page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:has-text('Connected')")


def download(app: Any, model_id: int, state: str, seconds: float = 30.0) -> dict[str, Any]:
    """The newest download of this model, when it is in this state."""

    def found() -> dict[str, Any] | None:
        jobs = sorted((view for view in app.jobs() if view["kind"] == "download" and view["model_id"] == model_id), key=lambda view: view["created"])
        return jobs[-1] if jobs and jobs[-1]["state"] == state else None

    try:
        return until(found, seconds, f"a download that is {state}")
    except AssertionError as error:
        raise AssertionError(f"{error}\nthe jobs: {app.jobs()}") from None


def choose_option(page: Any, field: str, text: str) -> None:
    """An entry of a gradio dropdown."""
    page.click(f"{field} input")
    page.locator("ul.options li, ul.option-list li", has_text=text).first.click()


def text(page: Any, selector: str) -> str:
    return " ".join((page.text_content(selector) or "").split())


def settled(page: Any) -> None:
    """Two frames: what a component was told a moment ago has reached gradio's values."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def translated(browser: Any, url: str, words: dict[str, str], locale: str = "en", **options: Any) -> Any:
    """A page in a language that has these words."""
    page = browser.page(**options)
    answer = json.dumps({"language": "xx_XX", "locale": locale, "words": words})
    page.add_init_script(f"""(() => {{  // in the page: requests that are stopped on their way cost it its cache
        const [real, answer] = [window.fetch, {json.dumps(answer)}];
        window.fetch = (address, ...rest) => String(address).includes("civitai-manager/words?")
            ? Promise.resolve(new Response(answer, {{headers: {{"Content-Type": "application/json"}}}})) : real(address, ...rest);
    }})()""")
    page.goto(url)
    open_tab(page)
    page.wait_for_selector("#civitai_manager.cm-ready .cm-connection:not(.cm-lost)")
    page.wait_for_function("() => window.civitaiManager.words.active")
    return page
