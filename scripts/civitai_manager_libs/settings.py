"""The one configuration: typed, one JSON file outside the host's data path, environment variables on top.

The file holds the API key, so it is written with mode 0600, and never below a folder that a WebUI serves (facts: Forge's ``/file=`` serves
everything under its data path). ``CIVITAI_API_KEY`` and ``CIVITAI_MANAGER_<NAME>`` override a value for one run and are never written back.
"""

from __future__ import annotations

import codecs
import contextlib
import datetime
import logging
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import platformdirs
from filelock import FileLock, Timeout
from msgspec import Meta

from .errors import BadSetting, NotWritable

log = logging.getLogger(__name__)

APP = "civitai-manager"
TEMPLATE_PARTS = ("base_model", "creator", "model", "version", "type", "model_id", "version_id")
TEMPLATE_PART = re.compile(r"\{([^{}]*)\}")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CIVITAI_HOSTS = frozenset({"civitai.com", "civitai.red", "civitai.green", "civitai.buzz"})
"""Civitai's own hosts; each with ``www.`` before it, too."""


def about(text: str, *, choices: Mapping[str, str] | None = None, **limits: Any) -> Meta:
    """A setting's sentence for the Settings page, with its limits. ``choices``: each value that is offered, and what the page calls it."""
    return Meta(description=text, extra={"choices": dict(choices)} if choices else None, **limits)


LANGUAGES = {"auto": "auto", "en": "English", "de_DE": "Deutsch", "ja_JP": "日本語", "ko_KR": "한국어", "zh_CN": "简体中文", "zh_TW": "繁體中文"}


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=False):
    """All settings with their defaults. Times are in seconds; templates are explained in ``disk.placement``."""

    api_key: Annotated[str, about("Your Civitai API key. Needed for nearly every download. Sent only to Civitai's API, never shown again.")] = ""
    civitai_url: Annotated[
        str,
        about(
            "Civitai's address: https://civitai.com, or https://civitai.red. Anything but this computer must be https. "
            "A server that is not Civitai's does not get the stored key: changing to it removes the key, unless one is entered in the same save."
        ),
    ] = "https://civitai.com"
    proxy: Annotated[str, about("Proxy for all requests, such as http://user:pass@host:port. Empty: the environment's (HTTPS_PROXY).")] = ""
    http_timeout: Annotated[float, about("The longest wait for an answer of Civitai's API, over all tries, in seconds.", ge=1, le=600)] = 60.0
    download_timeout: Annotated[
        float,
        about("The longest time without any progress of a download, over all reconnects, before it stops (resumable), in seconds.", ge=1, le=86400),
    ] = 600.0
    http_retry_delay: Annotated[float, about("The delay before the first retry, in seconds. It doubles with each further one.", ge=0.01, le=60)] = 2.0
    parallel_downloads: Annotated[int, about("How many downloads run at a time.", ge=1, le=10)] = 3
    subfolder_template: Annotated[
        str, about("Subfolder for new downloads, such as {base_model}/{creator}. Parts: base_model creator model version type model_id version_id.")
    ] = ""
    write_sidecars: Annotated[bool, about("Write .civitai.info, the WebUI's .json (merged) and a preview beside each downloaded file.")] = True
    write_browser_plus: Annotated[bool, about("Also write .api_info.json, for Civitai Browser+ and Browser Neo.")] = False
    write_lora_manager: Annotated[bool, about("Also write .metadata.json, for Lora Manager, with your note, tags, weight and favourites.")] = False
    write_stability_matrix: Annotated[bool, about("Also write .cm-info.json, for StabilityMatrix.")] = False
    write_civbrowser: Annotated[bool, about("Also write .civitai.json, for CivBrowser.")] = False
    resume_at_start: Annotated[bool, about("Go on with interrupted downloads and registrations when the program starts.")] = True
    models_dir: Annotated[str, about("Standalone only: the WebUI folder whose models/ and embeddings/ are used. Empty: a folder of our own.")] = ""
    scan_folders: Annotated[
        str, about("Further folders with model files that a scan reads, one a line: other drives, another program's models. They are only read.")
    ] = ""
    scan_exclude: Annotated[
        str,
        about(
            "What a scan leaves out, one pattern a line: the name of a folder or a file, or a whole path. In it * stands for anything, and ? for one "
            "letter."
        ),
    ] = ""
    hash_threads: Annotated[
        int, about("How many files are read at a time when hashes are computed. 0: half of this computer's processor cores.", ge=0, le=64)
    ] = 0
    own_trash: Annotated[
        bool,
        about(
            "Put deleted files into a hidden folder of our own (.civitai-manager-trash) on their drive, even where the system has a trash. "
            "Off: only where it has none."
        ),
    ] = False
    after_update: Annotated[
        str,
        about(
            "What becomes of the old file when a newer version has been downloaded and verified.",
            choices={"keep": "It stays", "trash": "It goes to the trash"},
            pattern="^(keep|trash)$",
        ),
    ] = "keep"
    keep_examples: Annotated[bool, about("Keep the example pictures of each version that is downloaded, with their generation data.")] = False
    examples_limit: Annotated[
        int,
        about(
            "How much room pictures that are kept may take, in MB, below the data folder. Beyond it those that were not looked at for longest are "
            "let go. 0: none are kept.",
            ge=0, le=10_000_000,
        ),  # fmt: skip
    ] = 2000

    repair_host_queue: Annotated[
        bool,
        about(
            "In a WebUI with gradio 3.42 or older and httpx 0.27.1 or newer every queued event of the whole WebUI is cut after 5 seconds. "
            "Repair that when the WebUI starts (one attribute; the log says so). Changes count from the next start."
        ),
    ] = True
    native_progress: Annotated[
        bool,
        about(
            "Show gradio's own progress bar, for at most 4 seconds, for what usually ends quickly: registering, testing the key. "
            "The price: while it shows, a broken connection can stop the page's queue on gradio 4 and 5 until the page is reloaded, and gradio 6.7 "
            "and newer then reloads the page itself; the work itself never depends on it. Changes count from the next start or Reload UI."
        ),
    ] = False

    host_cards: Annotated[
        bool, about("On the WebUI's own extra networks cards: open in this tab, add trigger words, show the note and the base model, on hover.")
    ] = True
    host_prompt_button: Annotated[
        bool, about("Beside the WebUI's prompts: a button that tells which models a prompt names are here, and fetches those that are not.")
    ] = True

    language: Annotated[
        str,
        about(
            "The language of this tab: auto follows the WebUI's own localization, else the browser. Seen when the page is loaded again.",
            choices=LANGUAGES,
            pattern=r"^(auto|[a-z]{2,3}(_[A-Z]{2})?)$",
        ),
    ] = "auto"

    def __repr__(self) -> str:
        """Without the secrets: this may come into a log or a traceback."""
        shown = {name: "***" if name in SECRETS and getattr(self, name) else getattr(self, name) for name in self.__struct_fields__}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


FIELDS = {field.encode_name: field for field in msgspec.structs.fields(Settings)}
SECRETS = frozenset({"api_key", "proxy"})


def default_file() -> Path:
    """Where the settings live when no data folder is named: the user's configuration folder."""
    return Path(platformdirs.user_config_dir(APP, appauthor=False)) / "settings.json"


def default_data_dir() -> Path:
    """Where the catalog and thumbnails live when no data folder is named."""
    return Path(platformdirs.user_data_dir(APP, appauthor=False))


def _convert(name: str, value: Any) -> Any:
    """One value, from JSON, a form or an environment variable, as its field's type. Raises BadSetting."""
    field = FIELDS[name]
    try:
        value = msgspec.convert(value.strip() if isinstance(value, str) else value, field.type, strict=False)
    except msgspec.ValidationError as exc:
        raise BadSetting(f"The setting {name} has a value that cannot be used: {exc}.") from None
    if name == "civitai_url":
        value = check_url(value)
    elif name == "subfolder_template":
        check_template(value)
    return value


def check_template(template: str) -> None:
    """Raises BadSetting, naming what is wrong, for a template that ``subfolder`` could not follow."""
    for part in TEMPLATE_PART.findall(template):
        if part not in TEMPLATE_PARTS:
            known = " ".join(f"{{{name}}}" for name in TEMPLATE_PARTS)
            raise BadSetting(f"The subfolder template has an unknown part {{{part}}}. Known are {known}.", part=part)
    literal = TEMPLATE_PART.sub("", template)
    if "{" in literal or "}" in literal:
        raise BadSetting("The subfolder template has a brace { or } without its partner.")
    if re.match(r"[/\\]|[A-Za-z]:|~", template) or ".." in [segment.strip() for segment in re.split(r"[/\\]", template)]:
        raise BadSetting("The subfolder template must stay below the model folder: no leading slash or drive, no '..'.")
    if "\0" in template:
        raise BadSetting("The subfolder template holds a character that no folder can have.")


def check_url(url: str) -> str:
    """An API address without a trailing slash: https, or http on this computer. Raises BadSetting."""
    try:
        parts = urlsplit(url if "//" in url else f"https://{url}")
        host, _ = parts.hostname or "", parts.port
        safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
        usable = safe and host and re.fullmatch(r"[\w.:-]+", host) and "@" not in parts.netloc and not parts.query and not re.search(r"[\s\\]", url)
    except ValueError:  # a bracket without its partner, a port that is none
        usable = False
    if not usable:
        if "@" in url:  # what stands before it may be a password
            raise BadSetting("This is no address of Civitai (civitai_url) that a key may be sent to: use https://civitai.com or https://civitai.red.")
        raise BadSetting(f"{url!r} is no address of Civitai (civitai_url) that a key may be sent to: use https://civitai.com or https://civitai.red.")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _is_another_server(old: str, new: str) -> bool:
    """Whether a key that was stored for the address ``old`` must not go to ``new``: another server, and not Civitai's nor this computer."""
    before, after = urlsplit(old), urlsplit(new)
    host = (after.hostname or "").removeprefix("www.")
    return before[:2] != after[:2] and host not in CIVITAI_HOSTS and host not in LOOPBACK


def _exposed(values: Mapping[str, Any]) -> list[str]:
    """Names of the settings that hold something secret: the key, a proxy's password."""
    return [name for name in ("api_key", "proxy") if values.get(name) and (name == "api_key" or "@" in str(values[name]))]


class SettingsStore:
    """The settings file and what overrides it. ``current`` is always usable; ``notices`` are sentences for the person.

    ``private=False``: the file lies where others may read it, so no secret is kept in it.
    """

    def __init__(
        self, path: Path, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None, *, private: bool = True
    ) -> None:
        self.path = Path(path)
        self.private = private
        self.notices: list[str] = []
        self._lock = threading.Lock()
        try:
            self._stored = self._read()
        except OSError as exc:
            self._say(f"The settings file {self.path} cannot be read ({exc.strerror}): defaults are used.")
            self._stored = Settings()
        self._overrides = self._from_environment(os.environ if environ is None else environ)
        for name, value in (overrides or {}).items():
            self._overrides[name] = _convert(name, value)
        self.current = msgspec.structs.replace(self._stored, **self._overrides)
        if not private:
            self._clean()

    @property
    def overridden(self) -> frozenset[str]:
        """Names of the settings that the environment or the command line decides; the page shows them as not changeable."""
        return frozenset(self._overrides)

    def update(self, changes: Mapping[str, Any]) -> Settings:
        """Check, write and use new values; all of them or none. Raises BadSetting, NotWritable.

        A ``civitai_url`` of another server drops the stored key, unless ``changes`` bring one: a key belongs to the server that it was made for.
        """
        unknown = [name for name in changes if name not in FIELDS]
        if unknown:
            raise BadSetting(f"There is no setting named {', '.join(unknown)}.")
        converted = {name: _convert(name, value) for name, value in changes.items()}
        if not self.private and (secret := _exposed(converted)):
            raise BadSetting(
                f"The settings file lies in the WebUI's own folder, which it may show to anyone, so {' and '.join(secret)} cannot be kept in it.",
                next_step="Set the environment variable CIVITAI_API_KEY (and HTTPS_PROXY) before the WebUI starts.",
            )
        with self._lock, self._alone():
            try:
                before = self._read()  # another program may have changed others meanwhile
            except OSError as exc:  # not the defaults: they would be written over all that is there
                raise NotWritable(
                    f"The settings file {self.path} cannot be read ({exc.strerror}), so nothing was saved.", next_step="Try again in a moment."
                ) from exc
            if "civitai_url" in converted and not converted.get("api_key") and _is_another_server(before.civitai_url, converted["civitai_url"]):
                converted["api_key"] = ""
            stored = msgspec.structs.replace(before, **converted)
            self._write(stored)
            self._stored = stored
            self.current = msgspec.structs.replace(stored, **self._overrides)
            return self.current

    def _from_environment(self, environ: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in FIELDS:
            value = environ.get(f"CIVITAI_MANAGER_{name.upper()}")
            if value is None and name == "api_key":
                value = environ.get("CIVITAI_API_KEY")
            if value is not None:
                try:
                    found[name] = _convert(name, value)
                except BadSetting as exc:
                    self._say(f"An environment variable was ignored. {exc.message}")
        return found

    def _say(self, notice: str) -> None:
        if notice not in self.notices:  # the file is read again before each change
            self.notices.append(notice)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds back other programs that want to change the file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{self.path}.lock")
            lock.acquire(timeout=10)
        except (OSError, Timeout) as exc:
            reason = "another program holds them" if isinstance(exc, Timeout) else exc.strerror
            raise NotWritable(f"The settings could not be saved in {self.path.parent} ({reason}).") from exc
        try:
            yield
        finally:
            lock.release()

    def _clean(self) -> None:
        """Where others may read the file: say so, and take a key out that was written there earlier."""
        if "api_key" not in self.overridden:
            self._say(
                "The settings file lies in the WebUI's own folder, which it may show to anyone, so no API key is kept in it. "
                "Set the environment variable CIVITAI_API_KEY before the WebUI starts."
            )
        if secret := _exposed(msgspec.structs.asdict(self._stored)):
            self._say(f"{' and '.join(secret)} was removed from {self.path}: others may have read it. Make a new one.")
            try:
                self.update(dict.fromkeys(secret, ""))
            except NotWritable as exc:
                self._say(f"{exc.message} Remove it yourself.")

    def _read(self) -> Settings:
        """What the file holds. Raises OSError when there is one that cannot be read."""
        try:
            raw = self.path.read_bytes().removeprefix(codecs.BOM_UTF8)
        except FileNotFoundError:
            return Settings()
        try:
            values = msgspec.json.decode(raw, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._set_aside()
        good: dict[str, Any] = {}
        for name, value in values.items():
            if name in FIELDS:
                try:
                    good[name] = _convert(name, value)
                except BadSetting as exc:
                    self._say(f"{exc.message} Its default is used.")
        return msgspec.structs.replace(Settings(), **good)

    def _set_aside(self) -> Settings:
        """A file that is no JSON object: keep it under a dated name (it may hold the key), go on with defaults, say so."""
        dated = f"{self.path.stem}.broken-{datetime.datetime.now():%Y%m%d-%H%M%S}"
        number, aside = 1, self.path.with_name(f"{dated}.json")
        while aside.exists():
            number += 1
            aside = self.path.with_name(f"{dated}-{number}.json")
        try:
            os.replace(self.path, aside)
            where = f"It was set aside as {aside.name}."
        except OSError as exc:
            where = f"It could not be set aside ({exc.strerror})."
        self._say(f"The settings file was broken and defaults are used. {where}")
        log.warning("settings: %s was broken; %s", self.path, where)
        return Settings()

    def _write(self, settings: Settings) -> None:
        try:
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".settings-")  # mkstemp gives mode 0600
            try:
                with os.fdopen(handle, "wb") as out:
                    out.write(msgspec.json.format(msgspec.json.encode(settings), indent=2))
                    out.flush()
                    os.fsync(out.fileno())
                os.replace(name, self.path)
            except BaseException:
                os.unlink(name)
                raise
        except OSError as exc:
            raise NotWritable(f"The settings could not be saved in {self.path.parent} ({exc.strerror}).") from exc
