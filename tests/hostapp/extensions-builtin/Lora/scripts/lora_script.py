from __future__ import annotations

import networks
from modules import script_callbacks

networks.list_available_networks()
script_callbacks.on_before_ui(networks.list_available_networks)
