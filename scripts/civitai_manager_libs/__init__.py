"""Civitai Manager: a library of Civitai models, in the WebUI and alone. Nothing happens when this package is imported."""

__version__ = "0.1.0"
