"""Pictures to look at: a version's examples, the community's gallery, and examples kept for when Civitai cannot be reached."""
