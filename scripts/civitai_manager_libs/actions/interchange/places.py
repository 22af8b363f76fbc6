"""Where a file lies, said so that it means the same on another machine: the kind of folder, and the path below it."""

from __future__ import annotations

from pathlib import Path, PurePath, PureWindowsPath

from ...disk import names
from ...disk.walk import lines
from ...errors import UsageError
from ..services import Services


class Places:
    """The model folders as they are now."""

    def __init__(self, services: Services) -> None:
        self._folders = [(kind, folder.absolute()) for kind, folders in services.host.folders().items() for folder in folders]
        extra = [("", Path(line).expanduser().absolute()) for line in lines(services.settings.scan_folders)]
        # The innermost folder that holds a file tells its kind.
        self._inner = sorted([*self._folders, *extra], key=lambda one: -len(one[1].parts))

    def find(self, path: Path) -> tuple[str, str] | None:
        """(kind, path below its folder with slashes) of a file; None for one outside every model folder."""
        for kind, folder in self._inner:
            if folder in path.parents:
                return kind, path.relative_to(folder).as_posix()
        return None

    def target(self, kind: str, below: str) -> Path | None:
        """Where such a file belongs on this machine; None when the path is not safe or the kind is not known here."""
        parts = [part for part in PurePath(below).parts if part not in ("", ".")] if below else []
        if not parts or PureWindowsPath(below).drive or any(part != names.safe_file_name(part) for part in parts):
            return None
        folder = next((folder for known, folder in self._folders if known == kind), None)
        try:
            return names.inside(folder, *parts) if folder else None
        except UsageError:
            return None

    def existing(self, kind: str, below: str) -> Path | None:
        """The file itself, in whichever folder of that kind it is."""
        for known, folder in self._folders:
            if known == kind and self.target(kind, below) is not None and (path := folder.joinpath(*PurePath(below).parts)).is_file():
                return path
        return None
