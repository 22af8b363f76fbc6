"""Hidden buttons by which the page sends generation data and pictures into the tabs of a WebUI, bound by the WebUI itself.

The WebUI says what a press of a "Send to" button does by calling ``button.click(fn, inputs, outputs)``. It is given an object that looks like
such a button: it binds the WebUI's function to a button of ours, in our way (``handlers.bind``: never queued, guarded), and lets through only the
fields that the person chose. What is sent travels with the press, in ``cm_payload``: {"ticket", "infotext", "parts": [...] or null, "mode",
"picture"}.
The answer is told to the page in ``cm_told``: {"ticket", "fields": number of fields set, "prompt": ... or null} or {"ticket", "error": sentence}.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import gradio as gr

from ..errors import CivitaiManagerError, UsageError
from . import handlers

if TYPE_CHECKING:
    from ..application import Application

log = logging.getLogger(__name__)

Bind = Callable[..., Any]
PARTS = ("prompt", "negative", "parameters", "size", "seed")
LABELS = {"Prompt": "prompt", "Negative prompt": "negative", "Size-1": "size", "Size-2": "size"}
SEEDS = ("Seed", "Variation seed", "Variation seed strength", "Seed resize from-1", "Seed resize from-2")
# What the press is about, made in the page at that moment; what else the event takes are the host's own fields as they are.
PAYLOAD = '(...v) => [window.civitaiManager && window.civitaiManager.sending ? window.civitaiManager.sending() : "", ...v.slice(1, {count})]'


class Sending(Protocol):
    """What the tabs of a host take (``hosts.sending``)."""

    @property
    def targets(self) -> Sequence[str]: ...

    def takes_text(self, target: str) -> bool: ...

    def takes_picture(self, target: str) -> bool: ...

    def fields(self, target: str) -> list[tuple[Any, str]]: ...

    def register(self, target: str, button: Any, text: Any, picture: Any) -> None: ...


class Payload(NamedTuple):
    ticket: str = ""
    infotext: str = ""
    parts: frozenset[str] = frozenset(PARTS)
    append: bool = False
    picture: str = ""

    @classmethod
    def read(cls, text: str | None) -> Payload:
        """Raises UsageError for what no page of ours sends."""
        try:
            sent = json.loads(text or "")
            parts = PARTS if sent.get("parts") is None else [part for part in sent["parts"] if part in PARTS]
            texts = [sent.get(name) or "" for name in ("ticket", "infotext", "picture")]
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise UsageError("Nothing was sent.", next_step="Reload the page and try again.") from None
        if not all(isinstance(one, str) for one in texts):
            raise UsageError("Nothing was sent.", next_step="Reload the page and try again.")
        return cls(texts[0], texts[1], frozenset(parts), sent.get("mode") == "append", texts[2])


def part_of(component: Any, label: str) -> str:
    """Which of PARTS a field of the host belongs to, by its parameter; where the host works it out, by its element id."""
    elem_id = str(getattr(component, "elem_id", "") or "")
    if label in LABELS:
        return LABELS[label]
    if label in SEEDS or "_subseed" in elem_id:
        return "seed"
    return "prompt" if elem_id.endswith("_styles") else "parameters"  # the styles stand for text of the prompt


def joined(before: str, more: str) -> str:
    """A prompt with more at its end, apart by a comma unless it ends apart already."""
    if not before.strip() or not more.strip():
        return more if not before.strip() else before
    return f"{before}{more}" if before[-1].isspace() else f"{before.rstrip(', ')}, {more}"


class PasteButton:
    """What the host takes for its "Send to" button."""

    def __init__(self, bridge: Bridge, target: str) -> None:
        self._bridge, self._target = bridge, target

    def click(self, fn: Any = None, inputs: Any = None, outputs: Any = None, **options: Any) -> Any:
        """Called by the host. Its scripts (switching to the tab, counting tokens) are the page's business: it calls them when the fields are set."""
        first = (inputs[0] if isinstance(inputs, (list, tuple)) and inputs else inputs) if fn is not None else None
        try:
            if first is self._bridge.payload:
                self._bridge.bind_text(self._target, fn, list(outputs))
            elif first is self._bridge.picture:
                self._bridge.bind_picture(self._target, fn, list(outputs))
        except Exception:  # the host builds its page: one button less
            log.exception("civitai-manager: sending to %s could not be set up", self._target)


class Bridge:
    """The components of all targets. ``build`` places them where it is called; what they do is bound when the host has built its tabs."""

    def __init__(self, application: Callable[[], Application], sending: Sending) -> None:
        self.application, self.sending = application, sending

    def build(self, bind: Bind) -> None:
        self._bind = bind
        hidden: dict[str, Any] = {"show_label": False, "container": False}
        self.payload = gr.Textbox(elem_id="cm_payload", label="payload", **hidden)
        self.told = gr.Textbox(elem_id="cm_told", label="told", **hidden)
        self.picture = gr.Textbox(elem_id="cm_picture_key", label="picture", **hidden)  # stands for a picture, which stays on the server
        self.buttons: dict[tuple[str, str], Any] = {}
        for target in self.sending.targets:
            text, picture = self.sending.takes_text(target), self.sending.takes_picture(target)
            for what in [name for name, has in (("text", text), ("picture", picture)) if has]:
                self.buttons[target, what] = gr.Button(f"Send to {target}", elem_id=f"cm_send_{what}_{target}", elem_classes=["cm-unseen"])
            self.sending.register(target, PasteButton(self, target), self.payload if text else None, self.picture if picture else None)

    def bind_text(self, target: str, fn: Callable[[str], Any], outputs: list[Any]) -> None:
        labels = {id(component): label for component, label in self.sending.fields(target)}
        parts = [part_of(component, labels.get(id(component), "")) for component in outputs]
        labelled = {one for one, label in labels.items() if label}
        prompts = {name: component for component, name in self.sending.fields(target) if name in ("Prompt", "Negative prompt")}
        present = [prompts[name] for name in ("Prompt", "Negative prompt") if name in prompts]

        def paste(payload: str, *before: Any) -> Any:
            texts = {id(component): text for component, text in zip(present, before, strict=True)}
            return self._told(payload, len(outputs), lambda sent: self._filled(fn, sent, parts, texts, labelled, outputs))

        self._listen(self.buttons[target, "text"], paste, present, outputs, f"send to {target}")

    def bind_picture(self, target: str, fn: Callable[[Any], Any], outputs: list[Any]) -> None:
        def put(payload: str) -> Any:
            return self._told(payload, len(outputs), lambda sent: self._shown(fn, sent, len(outputs)))

        self._listen(self.buttons[target, "picture"], put, [], outputs, f"send a picture to {target}")

    def _listen(self, button: Any, act: Callable[..., Any], inputs: list[Any], outputs: list[Any], action: str) -> None:
        script = PAYLOAD.replace("{count}", str(1 + len(inputs)))
        self._bind(button.click, act, [self.payload, *inputs], [*outputs, self.told], action=action, js=script)

    def _told(self, payload: str, outputs: int, act: Callable[[Payload], tuple[list[Any], dict[str, Any]]]) -> Any:
        """The updates of the host's fields, and last what the page is told; a refusal changes no field."""
        nothing = [gr.update() for _ in range(outputs)]
        sent = Payload()
        try:
            sent = Payload.read(payload)
            updates, told = act(sent)
        except CivitaiManagerError as error:
            updates, told = nothing, {"error": handlers.sentence(error)}
        except Exception as error:  # the host's functions: the log has it, the page reads a sentence, no field is changed
            log.exception("civitai-manager: sending failed")
            updates, told = nothing, {"error": handlers.sentence(error)}
        return (*updates, json.dumps({"ticket": sent.ticket, **told}))

    def _filled(
        self, fn: Callable[[str], Any], sent: Payload, parts: list[str], before: dict[int, Any], labelled: set[int], outputs: list[Any]
    ) -> Any:
        """What the host would put into its fields, only for the chosen parts. What it works out from several parameters says nothing about whether
        there are any: a box may be unticked because nothing is there."""
        if not sent.infotext.strip():  # the host would take its last picture's
            raise UsageError("There is no generation data to send.", next_step="")
        updates = list(fn(sent.infotext))
        kept = gr.update()
        texts: dict[str, Any] = {"prompt": None, "negative": None}
        for place, (part, component) in enumerate(zip(parts, outputs, strict=True)):
            if part not in sent.parts:
                updates[place] = kept
            elif id(component) in before:
                new = value_of(updates[place])
                if sent.append and isinstance(new, str):
                    new = joined(str(before[id(component)] or ""), new)
                    updates[place] = gr.update(value=new)
                texts[part] = new
        changed = sum(update != kept for update in updates)
        if not any(update != kept and id(component) in labelled for update, component in zip(updates, outputs, strict=True)):
            raise UsageError("The data holds nothing of what was chosen.", next_step="Choose other parts.")
        return updates, {"fields": changed, **texts}

    def _shown(self, fn: Callable[[Any], Any], sent: Payload, count: int) -> Any:
        """The picture into the tab's own component; its size goes with it where the size was chosen."""
        given = fn(self.application().webui.picture(sent.picture))
        updates = list(given) if isinstance(given, (list, tuple)) and count > 1 else [given]
        if "size" not in sent.parts:
            updates[1:] = [gr.update() for _ in updates[1:]]
        return updates, {"fields": len(updates)}


def value_of(update: Any) -> Any:
    """The value in an update of gradio's, or the value itself."""
    return update.get("value") if isinstance(update, dict) else update


def build(application: Callable[[], Application], sending: Sending | None, bind: Bind) -> None:
    """Place the hidden parts; without a host that takes anything there are none, and the page offers to copy instead."""
    if sending is None or not sending.targets:
        return
    try:
        Bridge(application, sending).build(bind)
    except Exception:  # the tab is worth more than this
        log.exception("civitai-manager: sending to the WebUI's tabs could not be set up")



