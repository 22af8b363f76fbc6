"""Pictures on Civitai: how they were made, and the models that they were made with."""
