"""What MkDocs does besides: the reference is made, the README is the first page, samples come along."""

from __future__ import annotations

import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from reference.pages import ROOT, pages

_FROM_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_PICTURES = "tests/tui/__snapshots__"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is not in docs/ as it is."""
    for place, text in pages().items():
        files.append(File.generated(config, place, content=text))
    for name, place in _FROM_ROOT.items():
        files.append(File.generated(config, place, content=_at_home((ROOT / name).read_text(encoding="utf-8"))))
    for file in (*(ROOT / "sample_jobs").rglob("*"), *(ROOT / _PICTURES).rglob("*.svg")):
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".md":
            files.append(File.generated(config, file.relative_to(ROOT).as_posix(), content=file.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let links that leave docs/ lead to where the site has what they mean."""
    return re.sub(
        r"\[([^\]]+)\]\((?:\.\./)?sample_jobs/(?:clients)?\)",
        r"\1",
        re.sub(r"\]\(\.\./(sample_jobs|tests)/", r"](\1/", markdown),
    )


def _at_home(text: str) -> str:
    """Return a document of the root as one that lies in docs/."""
    text = re.sub(r"\]\(docs/", "](", text)
    for name, place in _FROM_ROOT.items():
        text = text.replace(f"]({name})", f"]({place})")
    return text
