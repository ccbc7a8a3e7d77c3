"""A source folder out of a few lines: its images are empty files, for readers only ask whether they exist."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources import Annotations, SourceSettings, read_annotations

ReadSource = Callable[..., Annotations]


@pytest.fixture
def read_source(tmp_path: Path) -> ReadSource:
    """Write files (text, bytes, or JSON) below `tmp_path / "root"` and read them as a source."""

    def read(files: dict[str, Any], **settings: Any) -> Annotations:
        root = tmp_path / "root"
        for name, content in {"a.jpg": b"", **files}.items():
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not isinstance(content, (str, bytes)):
                content = json.dumps(content)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_annotations(SourceSettings(root=root, **settings))

    return read
