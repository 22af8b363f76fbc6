"""Inside a WebUI: AUTOMATIC1111, reForge, Forge, Forge Classic, Forge Neo or SD.Next. All that touches ``modules.*`` is here.

``scripts/civitai_manager.py`` calls ``register`` each time the host executes it; this module stays loaded over "Reload UI", so the one
Application of the process is kept here. It starts when the host's server runs, not before, and ends when the scripts are unloaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import __version__
from ..disk.placement import default_folders
from ..errors import Busy, CivitaiManagerError
from ..settings import SettingsStore, default_data_dir, default_file
from . import generated, hash_cache, names

log = logging.getLogger(__name__)

TAB = "Civitai Manager"
ELEM_ID = "civitai_manager"

# Where hosts keep the folder of a kind: names in ``cmd_opts`` (lists on Forge Neo), then names in SD.Next's ``shared.opts``.
SOURCES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "checkpoint": (("ckpt_dirs", "ckpt_dir"), ("ckpt_dir",)),
    "lora": (("lora_dirs", "lora_dir"), ("lora_dir",)),
    "embedding": (("embeddings_dir",), ("embeddings_dir",)),
    "hypernetwork": (("hypernetwork_dir",), ("hypernetwork_dir",)),
    "vae": (("vae_dirs", "vae_dir"), ("vae_dir",)),
    "controlnet": (("controlnet_dirs", "controlnet_dir"), ("control_dir",)),
    "upscaler": (("esrgan_models_path",), ("esrgan_models_path",)),
    "text_encoder": (("text_encoder_dirs", "text_encoder_dir"), ("te_dir",)),
    "unet": ((), ("unet_dir",)),
}
SDNEXT_NAMES = {"unet": "UNET", "text_encoder": "Text-encoder", "controlnet": "control"}


def exists(name: str) -> bool:
    """Whether a top-level module is loaded or could be."""
    return name in sys.modules or importlib.util.find_spec(name) is not None


def loaded(name: str) -> ModuleType | None:
    """A module of the host, when the host has loaded it. Never imports: an import could start something."""
    return sys.modules.get(name)


def as_paths(value: Any, base: Path) -> list[Path]:
    """Folders from an option: nothing, one or a list of them, as text or Path. Relative ones are below ``base``."""
    if not value:
        return []
    values: Iterable[Any] = [value] if isinstance(value, str | Path) else value
    return [base / Path(item).expanduser() for item in values if item]


def unique(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(paths))


class WebuiHost:
    """The WebUI that this process is (``host.Host``). Everything is asked anew at each call: options may change while it runs."""

    def __init__(self) -> None:
        self.name = f"{self.flavour} {self._version()}".strip()

    def _shared(self) -> Any:
        return importlib.import_module("modules.shared")

    def _cmd(self, name: str) -> Any:
        return getattr(getattr(self._shared(), "cmd_opts", None), name, None)

    def _opt(self, name: str) -> Any:
        return getattr(getattr(self._shared(), "opts", None), name, None)

    @property
    def flavour(self) -> str:
        """The family member, recognised by what only it has."""
        if self._cmd("ckpt_dirs") is not None or self._cmd("lora_dirs") is not None:
            return "Forge Neo"
        if self._opt("diffusers_dir") is not None:
            return "SD.Next"
        if not exists("modules_forge"):
            return "AUTOMATIC1111"
        if self._cmd("model_ref") is not None:
            return "Forge Classic"
        return "Forge" if exists("backend") else "reForge"

    def _version(self) -> str:
        """The version, only from what is known already: asking git would start a process."""
        forge = getattr(loaded("modules_forge.forge_version"), "version", "")
        if forge:
            return f"f{str(forge).removeprefix('f')}"
        tag: Any = getattr(loaded("modules.launch_utils"), "git_tag", None)
        if hasattr(tag, "cache_info") and tag.cache_info().currsize:
            return str(tag())
        known = getattr(loaded("installer"), "version", None)
        return str(known.get("hash") or "") if isinstance(known, dict) else ""

    def language(self) -> str:
        chosen = self._opt("localization")
        return chosen if isinstance(chosen, str) and chosen != "None" else ""

    def data_path(self) -> Path:
        """The host's own folder. Some hosts serve everything below it, so no secret may be there."""
        paths = loaded("modules.paths_internal") or loaded("modules.paths") or self._shared()
        return Path(getattr(paths, "data_path", ".")).absolute()

    def models_path(self) -> Path:
        paths = loaded("modules.paths_internal") or loaded("modules.paths") or self._shared()
        return Path(getattr(paths, "models_path", None) or self.data_path() / "models").absolute()

    def folders(self) -> dict[str, list[Path]]:
        found = {kind: unique(self._configured(kind) + fallback) for kind, fallback in self._fallbacks().items()}
        if self.flavour == "AUTOMATIC1111":
            found["lycoris"] = unique(as_paths(self._cmd("lyco_dir_backcompat"), self.data_path()) + found["lora"])
        else:  # the others read LoCon, LoHa and DoRA from the LoRA folder, and only from there
            found["lycoris"] = found["lora"]
        if self.flavour != "SD.Next":
            found["unet"] = found["checkpoint"]
        return found

    def _configured(self, kind: str) -> list[Path]:
        cmd_names, opt_names = SOURCES.get(kind, ((), ()))
        base = self.data_path()
        values = [self._opt(name) for name in opt_names] if self.flavour == "SD.Next" else []
        values += [self._cmd(name) for name in cmd_names]
        if kind == "controlnet":
            values.append(getattr(loaded("modules_forge.shared"), "controlnet_dir", None))
        return [path for value in values for path in as_paths(value, base)]

    def _fallbacks(self) -> dict[str, list[Path]]:
        """The host's default folders; ``models`` may lie elsewhere than below the data path."""
        data, models = self.data_path(), self.models_path()

        def moved(path: Path) -> Path:
            below = path.relative_to(data)
            return models / Path(*below.parts[1:]) if below.parts[0] == "models" else path

        found = {kind: [moved(path) for path in paths] for kind, paths in default_folders(data).items()}
        if self.flavour == "SD.Next":
            found.update({kind: [models / name] for kind, name in SDNEXT_NAMES.items()})
        return found

    def refresh(self, kinds: set[str]) -> None:
        """Call what the host calls when someone presses its own refresh buttons. A failure is logged; the next restart helps then."""
        wanted = unique_calls(REFRESHERS.get(kind) for kind in sorted(kinds))
        for refresher in wanted:
            try:
                refresher()
            except Exception:  # the host's code; whatever it raises must not fail a finished download
                log.warning("civitai-manager: the host could not refresh its list (%s)", refresher.__name__, exc_info=True)


    def known_sha256(self, path: Path, kind: str) -> str:
        return hash_cache.known(path, kind, self._checkpoints(kind))

    def remember_sha256(self, path: Path, kind: str, sha256: str, tensors: str = "") -> None:
        hash_cache.remember(path, kind, self._checkpoints(kind), sha256, tensors)

    def prompt_name(self, path: Path, kind: str) -> str:
        return names.prompt_name(path, kind)

    def _checkpoints(self, kind: str) -> list[Path]:
        return self.folders()["checkpoint"] if kind == "checkpoint" else []


def unique_calls(calls: Iterable[Callable[[], None] | None]) -> list[Callable[[], None]]:
    return list(dict.fromkeys(call for call in calls if call is not None))


def call(module: str, *path: str, **arguments: Any) -> None:
    """Call a function of a host's module, when both are there."""
    target: Any = loaded(module)
    for name in path:
        target = getattr(target, name, None)
    if callable(target):
        target(**arguments)


def refresh_checkpoints() -> None:
    call("modules.sd_models", "list_models")


def refresh_vaes() -> None:
    call("modules.sd_vae", "refresh_vae_list")
    call("modules_forge.main_entry", "refresh_models")


def refresh_loras() -> None:
    for module in ("networks", "modules.lora.lora_load", "modules.lora.networks"):
        call(module, "list_available_networks")


def refresh_hypernetworks() -> None:
    call("modules.shared", "reload_hypernetworks")


def refresh_controlnets() -> None:
    call("lib_controlnet.global_state", "update_controlnet_filenames")


def refresh_embeddings() -> None:
    """Reading embeddings runs the loaded model, so it is left out without one or while it works: the host reads new ones before the next picture."""
    model = getattr(getattr(loaded("modules.sd_models"), "model_data", None), "sd_model", None)
    lock = getattr(loaded("modules.call_queue"), "queue_lock", None)
    if model is None or lock is None or not lock.acquire(blocking=False):
        return
    try:
        call("modules.sd_hijack", "model_hijack", "embedding_db", "load_textual_inversion_embeddings", force_reload=True)
    finally:
        lock.release()


REFRESHERS: dict[str, Callable[[], None]] = {
    "checkpoint": refresh_checkpoints,
    "unet": refresh_checkpoints,
    "vae": refresh_vaes,
    "text_encoder": refresh_vaes,
    "lora": refresh_loras,
    "lycoris": refresh_loras,
    "hypernetwork": refresh_hypernetworks,
    "embedding": refresh_embeddings,
    "controlnet": refresh_controlnets,
}


class Running:
    """The one Application of this process, from the host's start to its unload."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._settings: SettingsStore | None = None
        self._application: Any = None
        self._failure: BaseException | None = None

    def settings(self, host: WebuiHost) -> SettingsStore:
        """The settings, which the tab needs before the start. Read once until the unload, so that the tab and the application see the same."""
        with self._lock:
            if self._settings is None:
                self._settings = settings_of(host)
            return self._settings

    def application(self) -> Any:
        """For handlers and routes. Raises Busy before the start and after the end, and what stopped the start."""
        application, failure = self._application, self._failure  # no lock: the server's loop asks too, and must not wait for a start
        if application is not None:
            return application
        if isinstance(failure, CivitaiManagerError):
            raise failure
        if failure is not None:
            raise CivitaiManagerError(
                f"Civitai Manager could not start ({type(failure).__name__}).", next_step="The log of the WebUI says why."
            ) from failure
        raise Busy("Civitai Manager is still starting.", next_step="Wait a moment and reload the page.")

    def start(self, host: WebuiHost) -> None:
        with self._lock:
            if self._application is not None:
                return
            try:
                application = create_application(host, self.settings(host))
                application.start()
                self._application, self._failure = application, None
            except Exception as exc:  # the host and its page must come up all the same
                self._application, self._failure = None, exc
                log.exception("civitai-manager: the start failed")

    def close(self) -> None:
        with self._lock:
            application, self._application, self._settings = self._application, None, None
        if application is not None:
            application.close()


running = Running()


def data_folder(host: WebuiHost) -> Path | None:
    """The folder that the command line names."""
    named = host._cmd("civitai_manager_data_dir")
    return Path(named).expanduser().absolute() if named else None


def settings_of(host: WebuiHost) -> SettingsStore:
    """Raises BadSetting for an address on the command line that cannot be used."""
    url = host._cmd("civitai_manager_url")
    return settings_store(data_folder(host), host.data_path(), {"civitai_url": url} if url else {})


def create_application(host: WebuiHost, settings: SettingsStore) -> Any:
    from ..application import Application

    return Application(data_folder(host) or default_data_dir(), settings, host)


def settings_store(folder: Path | None, served: Path, overrides: dict[str, Any]) -> SettingsStore:
    """The settings in ``settings_file``. Where even the user's own folder is below what the host serves, no key is kept in them."""
    file = settings_file(folder, served)
    return SettingsStore(file, overrides=overrides, private=not file.resolve().is_relative_to(served.resolve()))


def settings_file(folder: Path | None, served: Path) -> Path:
    """The settings file in ``folder`` (None: the user's configuration folder), but not a folder below what the host serves: it holds the key."""
    if folder is None:
        return default_file()
    if folder.resolve().is_relative_to(served.resolve()):
        log.warning(
            "civitai-manager: %s lies in the WebUI's own folder, which it may show to anyone; the settings (with the API key) stay in %s",
            folder,
            default_file().parent,
        )
        return default_file()
    return folder / "settings.json"


def native_progress(host: WebuiHost) -> bool:
    """Whether gradio's own bar is wanted and possible: with the host's queue off, a page that has such a bar does not even start."""
    try:
        wanted = running.settings(host).current.native_progress
    except CivitaiManagerError:  # the start will meet it too, and say so
        return False
    return wanted and not (host._cmd("no_gradio_queue") or host._cmd("disable_queue"))


def on_ui_tabs() -> list[tuple[Any, str, str]]:
    from ..ui.native import Queueing
    from ..ui.tab import build
    from .sending import WebuiSending

    try:
        return [(build(running.application, Queueing(native=native_progress(WebuiHost())), WebuiSending()), TAB, ELEM_ID)]
    except Exception:  # one tab less, the host's page comes up
        log.exception("civitai-manager: the tab could not be built")
        return []


def on_app_started(demo: Any, app: Any) -> None:
    """The server runs: start, and add our routes. With ``--nowebui`` there is no page (``demo`` is None), so there is nothing to do."""
    from ..web import routes
    from . import diagnostics, queue_repair
    from .login import login_dependencies

    if demo is None:
        return
    host = WebuiHost()
    running.start(host)
    try:
        settings = running.settings(host)
    except CivitaiManagerError:  # said already: it stopped the start
        settings = None
    outcome = queue_repair.repair(demo, settings is None or settings.current.repair_host_queue)
    place = diagnostics.Place(host.name, demo, app, outcome, settings)
    routes.add(app, running.application, login_dependencies(app), partial(diagnostics.report, running.application, place))
    log.info("civitai-manager %s runs in %s", __version__, host.name)


def register(base_folder: Path) -> None:
    """Called while the host executes our script: tell the host's callbacks about us. ``base_folder``: the extension's own folder."""
    callbacks = importlib.import_module("modules.script_callbacks")
    # What the callbacks need is imported now: the extension's folder is on sys.path only while the script is executed.
    for name in ("application", "ui.native", "ui.tab", "web.routes", "hosts.diagnostics", "hosts.login", "hosts.queue_repair", "hosts.sending"):
        importlib.import_module(f"civitai_manager_libs.{name}")
    callbacks.on_ui_tabs(on_ui_tabs)
    callbacks.on_app_started(on_app_started)
    callbacks.on_script_unloaded(running.close)
    generated.watch(callbacks, running.application)
    log.debug("civitai-manager: registered from %s", base_folder)
