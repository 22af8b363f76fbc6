"""The page's scripts and styles: the host's own and the extensions', written into gradio's page."""

from __future__ import annotations

import json
import os

import gradio as gr

from modules import scripts
from modules.initialize_util import GRADIO_MAJOR
from modules.shared_cmd_options import cmd_opts

original_template_response = gr.routes.templates.TemplateResponse


def webpath(path: str) -> str:
    prefix = "file=" if GRADIO_MAJOR < 5 else "gradio_api/file="
    return f"{prefix}{path}?{os.path.getmtime(path)}"


def javascript_html() -> str:
    head = "".join(f'<script type="text/javascript" src="{webpath(script.path)}"></script>\n' for script in scripts.list_scripts("javascript", ".js"))
    if cmd_opts.theme:
        head += f'<script type="text/javascript">set_theme({json.dumps(cmd_opts.theme)});</script>\n'
    return head


def css_html() -> str:
    return "".join(f'<link rel="stylesheet" property="stylesheet" href="{webpath(path)}">' for path in scripts.list_files_with_name("style.css"))


def reload_javascript() -> None:
    javascript, css = javascript_html(), css_html()

    def template_response(*args, **kwargs):
        response = original_template_response(*args, **kwargs)
        response.body = response.body.replace(b"</head>", f'{javascript}<meta name="referrer" content="no-referrer"/></head>'.encode(), 1)
        response.body = response.body.replace(b"</body>", f"{css}</body>".encode(), 1)
        response.init_headers()
        return response

    gr.routes.templates.TemplateResponse = template_response
