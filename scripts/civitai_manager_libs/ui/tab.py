"""The tab: one frame with a bar, the library or the settings, and the tray. The grid, the tray and the navigation are drawn by ``javascript/``."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import gradio as gr

from ..settings import SECRETS, Settings
from ..web import assets
from . import compat, handlers, host_bridge, native, render
from .native import NOT_NATIVE, Queueing
from .panel import Panel
from .settings_view import SettingsView

if TYPE_CHECKING:
    from ..application import Application

TITLE = "Civitai Manager"
ELEMENT = "civitai_manager"

HELP = """<details class="cm-help"><summary aria-label="Help" title="Help">?</summary><div class="cm-help-text">
<dl><dt>What can be pasted</dt><dd>Links to models, versions, downloads, images and posts on civitai.com, .red or .green; AIR (urn:air:…); model ids;
SHA-256, AutoV2 and AutoV3 hashes. Several at once, one a line (Shift+Enter starts a new line).</dd>
<dt>Dropping</dt><dd>Links, text, .url or .webloc files that are dropped anywhere on this tab are registered at once.</dd>
<dt>Registering</dt><dd>A model is remembered with its versions and pictures; nothing is downloaded until you press Download.</dd>
<dt>Keys</dt><dd>Arrows, Home, End, Page Up and Page Down move in the grid, Enter opens a model, Esc closes it.</dd></dl></div></details>"""

LOADER = """() => {
    if (window.civitaiManager && window.civitaiManager.page) { return; }
    const root = new URL((window.gradio_config && window.gradio_config.root) || "./", window.location.href);
    const base = window.location.origin + root.pathname.replace(/\\/*$/, "/") + "civitai-manager/assets/";
    for (const name of NAMES) {
        const style = name.startsWith("style.css");
        const tag = document.createElement(style ? "link" : "script");
        if (style) { tag.rel = "stylesheet"; tag.href = base + name; } else { tag.async = false; tag.src = base + name; }
        document.head.appendChild(tag);
    }
}"""


def mount(name: str, label: str) -> str:
    """An empty place that the page's script fills."""
    return f'<div data-cm-mount="{name}" aria-label="{label}"></div>'


def secrets_of(application: Callable[[], Application]) -> Iterable[str]:
    """What must never be in a log line."""
    try:
        current = application().settings.current
    except Exception:  # noqa: BLE001 - asked while another failure is being reported: there is nothing better to do than to hide nothing
        return ()
    proxies = [value for name, value in os.environ.items() if name.lower().endswith("_proxy") and "@" in value]
    return [part for value in (*(getattr(current, name) for name in SECRETS), *proxies) for part in parts(value)]


def parts(secret: str) -> Iterable[str]:
    """What of a secret must not be read: a key whole; of an address the name and password, and the password alone, as written and as sent."""
    before, at, _host = secret.rpartition("@")
    if not at:
        return [secret] if "://" not in secret else []
    account = before.rpartition("://")[2]
    password = account.partition(":")[2]
    return [word for word in (account, password, unquote(password)) if len(word) >= 4]  # a shorter one would take letters out of other words


def stamped() -> list[str]:
    """Our style and scripts as a page asks for them."""
    return [f"{name}?v={assets.stamp(name)}" for name in (assets.STYLE, assets.SCRIPTS)]


def head(base: str = "./") -> str:
    """For a page of our own: our style and scripts as tags for its head. In a WebUI the host adds them itself."""
    style, scripts = (f"{base}civitai-manager/assets/{name}" for name in stamped())
    return f'<link rel="stylesheet" href="{style}">\n<script src="{scripts}" defer></script>'


def loader() -> str:
    """A script function for the page: loads our files where nobody has. Harmless where the host did."""
    return LOADER.replace("NAMES", json.dumps(stamped()))


def switched_on(settings: Settings, in_host: bool) -> str:
    """For the page's scripts: what of ours may stand in the host's own pages."""
    names = [name for name in ("host_cards", "host_prompt_button") if in_host and getattr(settings, name)]
    return render.tag("span", "", data_cm_switches=" ".join(names))


def build(application: Callable[[], Application], queueing: Queueing = NOT_NATIVE, sending: host_bridge.Sending | None = None) -> gr.Blocks:
    """The tab's Blocks; nothing is asked of the application before a page opens. Its outermost element has the id ``civitai_manager``.

    ``sending``: the tabs of a host that take generation data and pictures."""
    bind = functools.partial(handlers.bind, secrets=functools.partial(secrets_of, application), limit=queueing.limit)

    def start(text: str, ticket: str) -> Any:
        """Register what is in the link box; it is emptied only when something was recognised. Empty, as a second press finds it: nothing to do."""
        if not (text or "").strip():
            return compat.keep(2)
        return gr.update(value=""), render.job(application().register(text or "", ticket=ticket or ""), "")

    def told() -> tuple[str, str]:
        return render.notices(application().notices), switched_on(application().settings.current, bool(sending))

    page = compat.blocks(TITLE)
    with page, gr.Column(elem_id=ELEMENT):
        notices = compat.html("", "cm_notices")
        switches = compat.html("", "cm_switches")
        ticket = gr.Textbox(elem_id="cm_ticket", label="ticket", show_label=False, container=False)
        with gr.Row(elem_id="cm_bar"):
            links = gr.Textbox(
                lines=1, max_lines=4, label="Civitai links, ids or hashes, one a line", show_label=False, container=False, elem_id="cm_links",
                placeholder="Paste Civitai links, ids or hashes, or drop them here",
            )  # fmt: skip
            register = gr.Button("Register", variant="primary", elem_id="cm_register")
            compat.html(f'<div class="cm-markbox">{mount("connection", "Connection")}{HELP}</div>', "cm_mark")
        compat.html(mount("navigation", "Views"), "cm_navigation")
        with gr.Row(elem_id="cm_library"):
            compat.html(mount("grid", "Library"), "cm_grid")
            compat.html(mount("civitai", "Civitai"), "cm_civitai_view")  # beside the same panel
            with gr.Column(elem_id="cm_panel"):
                Panel(application).build(bind, ticket)
        with gr.Column(elem_id="cm_settings"):
            SettingsView(application, queueing).build(page, bind, ticket)
        compat.html(mount("recipes", "Recipes"), "cm_recipes_view")
        compat.html(mount("updates", "Updates"), "cm_updates_view")
        compat.html(mount("health", "Health"), "cm_health_view")
        compat.html(mount("diagnostics", "Connection"), "cm_connection_view")
        compat.html(mount("tray", "Jobs"), "cm_tray")
        started = compat.html("", "cm_started")
        # In the same block: each time that Blocks are left, gradio builds a whole server application.
        for press in (register.click, links.submit):
            pressed = bind(press, start, links, [links, started], action="register", ticket=ticket)
            native.show_bar(bind, pressed, started, ticket, lambda: application().jobs, queueing)
        host_bridge.build(application, sending, bind)
        bind(page.load, told, None, [notices, switches], action="show the notices", on_error="keep")
        compat.run_on_load(page, loader())
    return page
