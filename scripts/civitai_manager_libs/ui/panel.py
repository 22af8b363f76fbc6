"""The side panel: the chosen model, its versions and files, and the download. Every handler answers at once; the work is a job."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from ..errors import NeedsConfirmation, NothingToDownload, UsageError
from . import choice, compat, render
from .choice import Chosen, Latest, Request

if TYPE_CHECKING:
    from ..application import Application

Bind = Callable[..., Any]
# Places for what the page's script draws: the one thing to do now, and what the person says of the model.
USE, OWN = '<div data-cm-mount="use"></div>', '<div data-cm-mount="own"></div>'
NOTHING = '<div class="cm-head" data-cm-choice=""><p class="cm-quiet">Choose a model in the grid.</p></div>'


class Gone(UsageError):
    code = "gone"
    default = "This model is no longer in the library."
    next_step = "Register it again with its link."


def used(view: dict[str, Any]) -> bool:
    """Whether something of it is here: then updating or using it is the one thing to do, and a download is the second."""
    return any(version.get("here") for version in view["versions"])


class Panel:
    """Components and handlers of the side panel. It keeps nothing about a person's choice: that travels with each event."""

    def __init__(self, application: Callable[[], Application]) -> None:
        self.application = application
        self.latest = Latest()

    def build(self, bind: Bind, ticket: Any) -> None:
        """Place the components where it is called (inside a Column) and bind their events. ``ticket``: see ``handlers.bind``."""
        self.choice = gr.Textbox(elem_id="cm_choice", label="choice", show_label=False, container=False)
        self.chosen = gr.Textbox(elem_id="cm_chosen", label="chosen", show_label=False, container=False)
        self.head = compat.html(NOTHING, "cm_head")
        compat.html(USE, "cm_use")
        self.version = gr.Dropdown(choices=[], label="Version", elem_id="cm_version", interactive=True)
        self.file = gr.Radio(choices=[], label="File", elem_id="cm_file", interactive=True)
        self.state = compat.html("", "cm_file_state")
        self.confirm = gr.Checkbox(
            label="I trust its creator: download this file", value=False, visible=False, elem_id="cm_confirm", interactive=True
        )
        self.folder = gr.Dropdown(choices=[], label="Folder", elem_id="cm_folder", interactive=True, allow_custom_value=True)
        self.name = gr.Textbox(label="File name", lines=1, max_lines=1, elem_id="cm_name", interactive=True)
        with gr.Row(elem_id="cm_actions"):
            self.download = gr.Button("Download", variant="primary", elem_id="cm_download")
            self.refresh = gr.Button("Refresh", elem_id="cm_refresh")
        self.progress = compat.html("", "cm_progress")
        self.words = compat.html("", "cm_words")
        self.note = gr.Textbox(label="Note", lines=1, max_lines=8, elem_id="cm_note", interactive=True, placeholder="Only here, kept over refreshes")
        compat.html(OWN, "cm_own")
        self.about = compat.html("", "cm_about")
        self._bind(bind, functools.partial(bind, ticket=ticket))

    def _bind(self, bind: Bind, bind_start: Bind) -> None:
        file_fields = [self.chosen, self.state, self.confirm, self.folder, self.name, self.download]
        version_fields = [self.head, self.file, self.words, self.about, *file_fields]
        model_fields = [self.progress, self.note, self.version, *version_fields]
        # .change, not .input: gradio 6 fires that only when a key is pressed
        bind(self.choice.change, self.show, [self.choice, self.chosen], model_fields, action="show a model")
        bind(self.version.input, self.choose_version, [self.choice, self.chosen, self.version], version_fields, action="choose a version")
        bind(self.file.input, self.choose_file, [self.choice, self.chosen, self.file], file_fields, action="choose a file")
        bind_start(self.download.click, self.start_download, [self.chosen, self.folder, self.name, self.confirm], self.progress, action="download")
        bind(self.note.blur, self.save_note, [self.chosen, self.note], None, action="save a note")
        bind_start(self.refresh.click, self.start_refresh, self.chosen, self.progress, action="refresh a model")

    # -- handlers ------------------------------------------------------------------------------------------------------------------------------

    def show(self, wanted: str, chosen: str) -> Any:
        """The model chosen in the grid. The same model again (something changed) keeps the version, the file, and what was typed."""
        request, before = Request.read(wanted), Chosen.read(chosen)
        if not request.model_id:  # gradio empties its fields when it draws them: nobody asked for anything
            return compat.keep(13)
        self.latest.see(request)
        view = self._view(request.model_id)
        if self.latest.is_late(request):
            return compat.keep(13)
        again = before.model_id == view["id"]
        version = choice.pick(view["versions"], request.version_id or (before.version_id if again else 0))
        labels = choice.version_labels(view)
        version_update = gr.update(choices=labels, value=choice.label_of(view["versions"], labels, version))
        own = (gr.update(), gr.update()) if again else ("", gr.update(value=view["note"]))
        return (*own, version_update, *self._version(view, version, wanted, before if again else Chosen()))

    def choose_version(self, wanted: str, chosen: str, label: str | None) -> Any:
        if self.latest.is_late(Request.read(wanted)):
            return compat.keep(10)
        before = Chosen.read(chosen)
        view = self._view(before.model_id)
        version = choice.by_label(view["versions"], choice.version_labels(view), label, before.version_id)
        return self._version(view, version, wanted, Chosen())

    def choose_file(self, wanted: str, chosen: str, label: str | None) -> Any:
        if self.latest.is_late(Request.read(wanted)):
            return compat.keep(6)
        before = Chosen.read(chosen)
        view = self._view(before.model_id)
        version = choice.pick(view["versions"], before.version_id)
        if version is None:
            raise NothingToDownload
        file = choice.by_label(version["files"], choice.file_labels(version), label, before.file_id)
        return self._file(view, version, file, Chosen())

    def start_download(self, chosen: str, folder: str | None, name: str | None, confirmed: bool, ticket: str) -> str:
        before = Chosen.read(chosen)
        view = self._view(before.model_id)
        version = next((entry for entry in view["versions"] if entry["id"] == before.version_id), None)
        file = next((entry for entry in (version or {}).get("files", ()) if entry["id"] == before.file_id), None)
        if version is None or file is None:
            raise NothingToDownload
        if file.get("risk") and not confirmed:
            raise NeedsConfirmation(file["risk"], next_step='If you trust its creator, tick the box above "Folder" and press Download again.')
        job = self.application().download(
            version["id"], file["id"], folder or None, (name or "").strip() or None, bool(confirmed), ticket=ticket or ""
        )
        return render.job(job, "Download queued.")

    def save_note(self, chosen: str, note: str | None) -> None:
        model_id = Chosen.read(chosen).model_id
        if model_id:
            self.application().set_note(model_id, note or "")

    def start_refresh(self, chosen: str, ticket: str) -> str:
        before = Chosen.read(chosen)
        return render.job(self.application().refresh(self._view(before.model_id)["id"], ticket=ticket or ""), "Refresh queued.")

    # -- what they show --------------------------------------------------------------------------------------------------------------------------

    def _view(self, model_id: int) -> dict[str, Any]:
        if not model_id:
            raise UsageError("No model is chosen.", next_step="Choose one in the grid.")
        view = self.application().model_view(model_id)
        if view is None:
            raise Gone
        return view

    def _version(self, view: dict[str, Any], version: dict[str, Any] | None, wanted: str, before: Chosen) -> tuple[Any, ...]:
        files = version["files"] if version else []
        labels = choice.file_labels(version) if version else []
        file = choice.pick(files, before.file_id)
        return (
            choice.head(view, version, wanted),
            gr.update(choices=labels, value=choice.label_of(files, labels, file)),
            render.chips(version["trained_words"] if version else []),
            choice.about(view, version),
            *self._file(view, version, file, before),
        )

    def _file(self, view: dict[str, Any], version: dict[str, Any] | None, file: dict[str, Any] | None, before: Chosen) -> tuple[Any, ...]:
        now = Chosen(view["id"], version["id"] if version else 0, file["id"] if file else 0)
        here = bool(file and file.get("local"))
        size = f" · {render.size(file['size'])}" if file and file.get("size") else ""
        word, variant = ("Download again" if here else "Download", "secondary" if here or used(view) else "primary")
        button = gr.update(value=word + size, variant=variant, interactive=file is not None)
        return (str(now), choice.file_state(file), *self._target(now, file, before), button)

    def _target(self, now: Chosen, file: dict[str, Any] | None, before: Chosen) -> tuple[Any, Any, Any]:
        """Confirmation box, folder and name; left as they are when the same file is shown again."""
        if file is None:
            return gr.update(visible=False, value=False), gr.update(choices=[], value=None), gr.update(value="")
        if now == before:
            return gr.update(), gr.update(), gr.update()
        target = self.application().folder_choices(now.version_id, now.file_id)
        return (
            gr.update(visible=bool(file.get("risk")), value=False),
            gr.update(choices=target["choices"], value=target["default"]),
            gr.update(value=target["name"]),
        )
