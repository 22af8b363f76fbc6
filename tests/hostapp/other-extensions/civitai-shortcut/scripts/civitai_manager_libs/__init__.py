"""A package with the name of ours, inside the namespace package ``scripts``, as another well-known extension ships it."""

OWNER = "civitai-shortcut"
