"""Puts manual pages into the package: made from the commands and the configuration as they are in it."""

# pyright: basic, reportMissingImports=false
# hatchling is there while a package is built, and only then.

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface[Any]):
    """Makes share/man of a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the pages and name them to the builder."""
        root = Path(self.root)
        sys.path[:0] = [str(root), str(root / "daemon")]
        from reference.__main__ import write

        for place, file in write(root / "build" / "man").items():
            build_data["shared_data"][str(file)] = f"share/man/{place}"
