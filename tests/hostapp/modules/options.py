from __future__ import annotations

import json
import os
from typing import Any


class OptionInfo:
    def __init__(self, default: Any = None, label: str = "", section: tuple[str, str] = ("other", "Other"), infotext: str = "") -> None:
        self.default = default
        self.infotext = infotext
        self.label = label
        self.section = section


class Options:
    """The host's saved options: attributes with defaults, kept in ``config.json``."""

    def __init__(self, labels: dict[str, OptionInfo], filename: str) -> None:
        self.__dict__.update(data_labels=labels, data={}, filename=filename)
        if os.path.isfile(filename):
            with open(filename, encoding="utf8") as file:
                self.data.update(json.load(file))

    def __getattr__(self, name: str) -> Any:
        if name in self.data:
            return self.data[name]
        if name in self.data_labels:
            return self.data_labels[name].default
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.data[name] = value

    def add_option(self, name: str, info: OptionInfo) -> None:
        self.data_labels[name] = info

    def save(self, filename: str) -> None:
        with open(filename, "w", encoding="utf8") as file:
            json.dump(self.data, file, indent=4)
