"""A script of `scripts/` as a module: most bear no suffix that Python would import."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def loaded_script(name: str) -> ModuleType:
    """Return a script's functions without running it."""
    path = Path(__file__).parents[1] / "scripts" / name
    loader = importlib.machinery.SourceFileLoader(f"script_{name}", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module
