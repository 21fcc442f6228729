"""How Reflex compiles the pages; how they are built once and served anywhere: `rag_app/ui/build.py`."""

import os
import sysconfig

import reflex as rx

from rag_app.ui.build import ENVIRONMENT, AnyOrigin, DeveloperProxy

# Node comes as a Python wheel, so it lies beside this Python.
os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)

# Names for Tailwind (`bg-surface`, `text-muted`); values for light and dark: assets/app.css.
COLOURS = (
    "page", "surface", "raised", "line", "line-strong", "ink", "muted",
    "accent", "accent-strong", "accent-soft", "on-accent",
    "success", "success-soft", "warn", "warn-soft", "danger", "danger-soft", "danger-strong", "on-danger",
)  # fmt: skip

config = rx.Config(
    app_name="rag_app",
    plugins=[
        rx.plugins.TailwindV4Plugin(
            config={
                "plugins": ["@tailwindcss/typography@0.5.20"],
                "darkMode": "selector",  # Reflex puts the class "dark" on <html>
                "theme": {
                    "extend": {
                        "colors": {name: f"var(--{name})" for name in COLOURS},
                        "borderRadius": {"card": "var(--radius-card)", "control": "var(--radius-control)"},
                        "boxShadow": {"card": "var(--shadow-card)", "overlay": "var(--shadow-overlay)"},
                    }
                },
            }
        ),
        AnyOrigin(),
        DeveloperProxy(),
    ],
    # A site map needs the public address, which one build for every host cannot know;
    # Radix Themes would add 80 kB of styles to every page.
    disable_plugins=[rx.plugins.SitemapPlugin, rx.plugins.RadixThemesPlugin],
    # In memory: what people see is never written to disk, and the truth is in the database anyway.
    state_manager_mode="memory",
    backend_host="127.0.0.1",  # of `reflex run`; `python -m rag_app up` listens where RAG_HOST says
    telemetry_enabled=False,
    show_built_with_reflex=False,
    default_color_mode="system",
    react_compiler=True,
    frontend_compression_formats=["brotli", "gzip"],
    frontend_lazy_bundled_libraries=True,
)
