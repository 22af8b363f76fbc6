from __future__ import annotations

import html
import json

import networks
from modules import script_callbacks, shared, ui_extra_networks
from modules.ui_extra_networks import ExtraNetworksPage, quote_js


class LoraPage(ExtraNetworksPage):
    def __init__(self) -> None:
        super().__init__("Lora")

    def items(self):
        for name, network in networks.available_networks.items():
            told = self.user_metadata(network.filename)
            weight = json.dumps(told.get("preferred weight") or 0) if told.get("preferred weight") else "opts.extra_networks_default_multiplier"
            prompt = f"{quote_js(f'<lora:{network.get_alias()}:')} + {weight} + {quote_js('>')}"
            if told.get("activation text"):
                prompt += f" + {quote_js(' ' + told['activation text'])}"
            yield {"name": name, "filename": network.filename, "onclick": html.escape(f"cardClicked('TABNAME', {prompt}, '', false);")}


networks.list_available_networks()
shared.opts.add_option("lora_preferred_name", shared.OptionInfo("Alias from file"))
script_callbacks.on_before_ui(networks.list_available_networks)
script_callbacks.on_before_ui(lambda: ui_extra_networks.register_page(LoraPage()))
