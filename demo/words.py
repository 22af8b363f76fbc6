"""The vocabulary of the demo: invented names of models, people and pictures."""

from __future__ import annotations

MODEL_TYPES = (
    "Checkpoint", "TextualInversion", "Hypernetwork", "AestheticGradient", "LORA", "LoCon", "DoRA", "Controlnet", "Upscaler", "MotionModule", "VAE",
    "TextEncoder", "UNet", "CLIPVision", "Poses", "Wildcards", "Workflows", "ComfyWorkflows", "Detection", "VisionLanguage", "CLIP", "LLM", "Other",
)  # fmt: skip

# What a library looks like: mostly LoRAs and checkpoints, and every type once in forty.
TYPE_CYCLE = (
    "Checkpoint", "LORA", "LORA", "TextualInversion", "Checkpoint", "LoCon", "LORA", "VAE", "Controlnet", "LORA",
    "Checkpoint", "Upscaler", "LORA", "DoRA", "Poses", "Checkpoint", "LORA", "Wildcards", "Hypernetwork", "LORA",
    "MotionModule", "Checkpoint", "Workflows", "LORA", "Detection", "LORA", "AestheticGradient", "Checkpoint", "TextEncoder", "LORA",
    "UNet", "CLIPVision", "ComfyWorkflows", "LORA", "VisionLanguage", "CLIP", "Checkpoint", "LLM", "Other", "LORA",
)  # fmt: skip

BASE_MODELS = (
    "SDXL 1.0",
    "SD 1.5",
    "Illustrious",
    "Flux.1 D",
    "Pony",
    "SD 1.5",
    "SDXL 1.0",
    "NoobAI",
    "ZImageTurbo",
    "Qwen",
    "SD 3.5 Large",
    "Flux.1 S",
)

ADJECTIVES = (
    "Amber", "Quiet", "Misty", "Nordic", "Paper", "Velvet", "Coastal", "Lantern", "Harvest", "Glass", "Cobalt", "Sunlit", "Winter", "Copper",
    "Marble",
    "Mossy", "Silver", "Painted", "Drifting", "Golden", "Woodcut", "Indigo", "Morning", "Saffron", "Pebble", "Willow", "Linen", "Ivory", "Hidden",
    "Tidal",
    "Orchard", "Northern", "Clay", "Feather", "Juniper", "Moonlit", "Gentle",
)  # fmt: skip

# theme -> (picture styles, nouns, tags)
THEMES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "landscape": (
        ("hills", "mountains", "dunes", "sea"),
        ("Valley", "Fjord", "Meadow", "Dunes", "Ridge", "Harbour", "Lakeside", "Tundra", "Canyon", "Shoreline", "Highlands"),
        ("landscape", "nature", "scenery", "atmosphere"),
    ),
    "architecture": (
        ("skyline", "arches", "skyline"),
        ("Courtyard", "Skyline", "Pavilion", "Arches", "Rooftops", "Library", "Lighthouse", "Greenhouse", "Station", "Observatory", "Bridges"),
        ("architecture", "interior", "city", "perspective"),
    ),
    "animals": (
        ("fox", "birds", "cat"),
        ("Fox", "Heron", "Otter", "Hare", "Owl", "Swallow", "Lynx", "Badger", "Kingfisher", "Cat", "Deer"),
        ("animals", "wildlife", "illustration", "storybook"),
    ),
    "still life": (
        ("vase", "fruit", "vase"),
        ("Teapot", "Lemons", "Ceramics", "Bouquet", "Breakfast", "Pears", "Workbench", "Windowsill", "Herbarium", "Bakery", "Lantern Table"),
        ("still life", "painting", "light study", "food"),
    ),
    "abstract": (
        ("geometric", "rings", "waves"),
        ("Shapes", "Paper Cut", "Mosaic", "Tiles", "Ribbons", "Collage", "Origami", "Kaleidoscope", "Weave", "Contours", "Prism"),
        ("abstract", "geometric", "minimal", "poster"),
    ),
}

SUFFIXES = {
    "Checkpoint": ("Mix", "XL", "Vision", "Canvas"), "TextualInversion": ("Touch", "Embedding"), "LORA": ("Style", "Study", "Look", "Light"),
    "LoCon": ("Style", "Texture"),
    "DoRA": ("Detail",), "Hypernetwork": ("Network",), "AestheticGradient": ("Mood",), "VAE": ("VAE",),
    "Controlnet": ("Lines ControlNet", "Depth ControlNet"),
    "Upscaler": ("4x Upscaler",), "MotionModule": ("Motion",), "Poses": ("Poses",), "Wildcards": ("Wildcards",), "Workflows": ("Workflow",),
    "ComfyWorkflows": ("Comfy Workflow",),
    "Detection": ("Detector",), "TextEncoder": ("Text Encoder",), "UNet": ("UNet",), "CLIPVision": ("CLIP Vision",),
    "VisionLanguage": ("Captioner",), "CLIP": ("CLIP",),
    "LLM": ("Prompt Writer",), "Other": ("Toolkit",),
}  # fmt: skip

CREATORS = (
    "marenpaints", "lanternfish", "quietpixels", "oakandink", "northwindlab", "tessellate", "bluekiln", "papercrane_studio", "harbourlight",
    "fernweh_art",
    "studio_pebble", "moth_and_moon", "saltmarsh", "inkwell7", "clayfoot", "aurora_bench",
)  # fmt: skip

OPENERS = (
    "A calm set of {noun} scenes with soft edges and honest light.",
    "Trained on my own sketches of {noun}, drawn over one long winter.",
    "Brings a hand-made look to {noun}: visible brushwork, limited palettes, room to breathe.",
    "Made for wide compositions with {noun} in the middle distance.",
    "A small tool for a small purpose: {noun}, seen in early light.",
)

VERSION_NAMES = ("v1.0", "v2.0", "v1.5", "v3.0", "Lite", "v2.1", "Detailed", "Beta", "v4.0 final", "fp16 only")
SAMPLERS = ("DPM++ 2M", "Euler a", "DPM++ SDE", "UniPC", "Heun")
