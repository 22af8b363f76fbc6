"""Everything that can go wrong and that a person can act on.

    CivitaiManagerError
      RemoteError                    Civitai, or the way to it
        NotFound                     unknown, unpublished or deleted
        LoginRequired                needs an API key
        KeyRejected                  the API key is wrong or revoked
        EarlyAccess                  not bought; .deadline says until when (None: for good)
        DownloadsDisabled            the creator allows generation only
        Archived                     the model is archived, its files are gone
        QuotaExceeded                the account's download limit
        RateLimited                  slow down; .until says until when
        RegionBlocked                HTTP 451
        ServiceDown                  5xx, a maintenance page, a challenge page
        Offline                      no connection at all
        BadAnswer                    an answer that cannot be understood or a request that was refused as malformed
      TransferError                  bytes on their way to a file
        Interrupted                  no progress for too long; what arrived is kept and can be resumed
        WrongContent                 a web page or an error text instead of a model
        HashMismatch                 whole, but not the file that Civitai describes
      DiskError                      files and folders here
        NoSpace, NotWritable, FileExists, TrashFailed, Changed
      UsageError                     what was asked for cannot be done as asked
        NotALink, NothingToDownload, NeedsConfirmation, BadSetting, BadValue, UnknownJob
      Busy                           the catalog or another program holds what is needed
      SomeFailed                     a batch in which some items failed; .data["failed"] has each with its reason

Each class has a stable ``code`` (for programs), a sentence for people (``message``) and ``next_step``: what to do now. ``remedy`` names
the button that helps: "settings" (add or check the key), "retry", "confirm", "rename", or "" for none.
"""

from __future__ import annotations

from typing import Any


class Said(str):
    """A text, also one of a single word, that is shown: ``docs/texts.py`` collects what is called so. With places for ``format``."""

    __slots__ = ()


class CivitaiManagerError(Exception):
    """Base of all errors made for people. ``str(error)`` is the sentence and the next step."""

    code = "error"
    default = "Something went wrong."
    next_step = "Try again; if it happens again, look into the log."
    remedy = "retry"

    def __init__(self, message: str = "", *, next_step: str | None = None, **data: Any) -> None:
        self.message = message or self.default
        if next_step is not None:
            self.next_step = next_step
        self.data = data
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: code, message, next_step, remedy, and the error's own data (ISO 8601 times, paths as text)."""
        return {"code": self.code, "message": self.message, "next_step": self.next_step, "remedy": self.remedy, **self.data}


class RemoteError(CivitaiManagerError):
    code = "remote"


class NotFound(RemoteError):
    code = "not_found"
    default = "Civitai does not know this."
    next_step = "Check the link. The model may have been deleted, hidden, or published only minutes ago."


class LoginRequired(RemoteError):
    code = "login_required"
    default = "Civitai wants you to be logged in for this."
    next_step = "Add your API key in Settings (civitai.com, Account settings, API keys)."
    remedy = "settings"


class KeyRejected(RemoteError):
    code = "key_rejected"
    default = "Civitai does not accept your API key."
    next_step = "Make a new key on civitai.com (Account settings, API keys) and put it into Settings."
    remedy = "settings"


class EarlyAccess(RemoteError):
    """``deadline``: ISO 8601 time at which the early access ends, or None when it is permanent."""

    code = "early_access"
    default = "This version is in early access and your account has not bought it."

    def __init__(self, message: str = "", *, deadline: str | None = None, **data: Any) -> None:
        self.deadline = deadline
        self.next_step = (
            f"Wait until {deadline[:10]}, or buy access on Civitai and try again." if deadline else "Buy access on Civitai and try again."
        )
        super().__init__(message, deadline=deadline, **data)


class DownloadsDisabled(RemoteError):
    code = "downloads_disabled"
    default = "The creator has disabled downloads of this file."
    next_step = "It can be used only in Civitai's own generator. Choose another version, or ask the creator."
    remedy = ""


class Archived(RemoteError):
    code = "archived"
    default = "This model is archived: Civitai no longer offers its files."
    next_step = "What is already here stays. Look for the file elsewhere by its hash."
    remedy = ""


class QuotaExceeded(RemoteError):
    code = "quota_exceeded"
    default = "Civitai has noticed an unusual amount of downloads from your account and has stopped them."
    next_step = "Wait some hours and try again; if it stays, write to support@civitai.com."


class RateLimited(RemoteError):
    """``until``: ISO 8601 time from which the next request is welcome."""

    code = "rate_limited"
    default = "Civitai asks to slow down."

    def __init__(self, message: str = "", *, until: str | None = None, **data: Any) -> None:
        self.until = until
        self.next_step = f"Try again after {until[11:19]}." if until else "Try again in some minutes."
        super().__init__(message, until=until, **data)


class RegionBlocked(RemoteError):
    code = "region_blocked"
    default = "Civitai does not serve your region, for legal reasons."
    next_step = "Your library here stays usable. A proxy can be set in Settings if you may use one."
    remedy = "settings"


class ServiceDown(RemoteError):
    code = "service_down"
    default = "Civitai is not working right now."
    next_step = "Try again in some minutes; nothing is lost."


class Offline(RemoteError):
    code = "offline"
    default = "Civitai cannot be reached: no connection."
    next_step = "Check the network and the proxy in Settings. Your library here stays usable."


class BadAnswer(RemoteError):
    code = "bad_answer"
    default = "Civitai gave an answer that makes no sense."
    next_step = "Try again later; if it stays, report it with the log."


class TransferError(CivitaiManagerError):
    code = "transfer"


class Interrupted(TransferError):
    code = "interrupted"
    default = "The download made no progress for too long."
    next_step = "What arrived is kept. Press Try again to go on from there."


class WrongContent(TransferError):
    code = "wrong_content"
    default = "The server sent a web page or an error text instead of a model file."
    next_step = "Try again later. If a key is needed, check it in Settings."


class HashMismatch(TransferError):
    code = "hash_mismatch"
    default = "The downloaded file is not the one that Civitai describes (its SHA-256 differs)."
    next_step = "It is not used. Try again; if it stays, the creator may have replaced the file: refresh the model."


class DiskError(CivitaiManagerError):
    code = "disk"


class NoSpace(DiskError):
    code = "no_space"
    default = "There is not enough space on the disk."
    next_step = "Free some space or choose another folder, then try again."


class NotWritable(DiskError):
    code = "not_writable"
    default = "The folder cannot be written to."
    next_step = "Choose another folder or change its permissions, then try again."


class FileExists(DiskError):
    code = "file_exists"
    default = "Another file with this name is already there."
    next_step = "Choose another file name. The existing file was not touched."
    remedy = "rename"


class TrashFailed(DiskError):
    code = "trash_failed"
    default = "The file could not be moved to the trash."
    next_step = "It was not deleted. Check the permissions of its folder."


class Changed(DiskError):
    """``reason``: gone, changed, being_written, conflict, link, read_only ..., as plans have it."""

    code = "changed"
    default = "The files are no longer as the plan says."
    next_step = "Nothing was done with them. Make a new plan and look at it."


class UsageError(CivitaiManagerError):
    code = "usage"
    next_step = ""
    remedy = ""


class NotALink(UsageError):
    code = "not_a_link"
    default = "This is not a Civitai link."
    next_step = (
        "Accepted: links to models, versions, downloads, images or posts on civitai.com, .red or .green; "
        "AIR (urn:air:...); model ids; SHA-256, AutoV2 or AutoV3 hashes. Several at once, one a line."
    )


class NothingToDownload(UsageError):
    code = "nothing_to_download"
    default = "This version has no file to download."
    next_step = "Choose another version."


class NeedsConfirmation(UsageError):
    code = "needs_confirmation"
    default = "This file can run code when it is loaded."
    next_step = "Download it only if you trust its creator: confirm to go on."
    remedy = "confirm"


class BadSetting(UsageError):
    code = "bad_setting"
    default = "This setting has a value that cannot be used."
    next_step = "The earlier value was kept."


class BadValue(UsageError):
    code = "bad_value"
    default = "This value cannot be used."
    next_step = "Nothing was changed: give another value."


class UnknownJob(UsageError):
    code = "unknown_job"
    default = "There is no such job."


class Busy(CivitaiManagerError):
    code = "busy"
    default = "Another program holds what is needed."
    next_step = "Wait until it has finished, then try again."


class SomeFailed(CivitaiManagerError):
    """A batch's outcome when not all went well; the finished items are kept, a retry does the failed ones only."""

    code = "some_failed"
    default = "Some items failed."
    next_step = "Press Try again to do only the failed ones again."

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> SomeFailed:
        """The error of a batch of one: that item's own, as ``explain`` gave it."""
        error = cls(
            told["message"], next_step=told["next_step"], **{name: item for name, item in told.items() if name not in ("message", "next_step")}
        )
        error.code, error.remedy = told["code"], told["remedy"]
        return error


def explain(error: BaseException) -> dict[str, Any]:
    """Any exception as ``CivitaiManagerError.as_dict`` gives it; a foreign one is named by its type, its text is kept for the log."""
    if isinstance(error, CivitaiManagerError):
        return error.as_dict()
    if isinstance(error, MemoryError):
        return {"code": "memory", "message": "There is not enough memory.", "next_step": "Close other programs, then try again.", "remedy": "retry"}
    return {
        "code": "unexpected",
        "message": f"An unexpected error happened ({type(error).__name__}).",
        "next_step": "Try again; the log has the details for a bug report.",
        "remedy": "retry",
    }
