"""Look around on Civitai: searches, what a model of an answer is, what one follows, and taking over what was found."""

from .browsing import Discover

__all__ = ["Discover"]
