"""To and from other programs, and other machines: importers (read-only to theirs), sidecars for them, the manifest of the whole library."""
