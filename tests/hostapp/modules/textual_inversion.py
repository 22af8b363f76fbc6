from __future__ import annotations

from modules import shared
from modules.util import walk_models


class EmbeddingDatabase:
    def __init__(self) -> None:
        self.word_embeddings: dict[str, str] = {}

    def load_textual_inversion_embeddings(self, force_reload: bool = False) -> None:
        """The host encodes a token with the loaded model here, so without one this fails."""
        from modules import sd_models

        if sd_models.model_data.sd_model is None:
            raise AttributeError("'NoneType' object has no attribute 'cond_stage_model'")
        self.word_embeddings = walk_models([shared.cmd_opts.embeddings_dir], (".pt", ".safetensors", ".bin"))
