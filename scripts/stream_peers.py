"""An environment of its own for the libraries that `scripts/bench_stream` compares with.

It lies over the present one, so that all read with the same PyTorch, NumPy and decoders. Nothing that is
installed here may ask for packages of its own: litdata and MosaicML name torchvision, whose wheels bring a
PyTorch for GPUs with them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

PACKAGES = {
    "litdata": (
        "litdata==0.2.76 lightning-utilities obstore tifffile requests urllib3 certifi charset-normalizer "
        "idna filelock boto3 botocore s3transfer jmespath python-dateutil six"
    ),
    "mosaicml": ("mosaicml-streaming==0.13.0 xxhash zstd brotli catalogue python-snappy cramjam"),
    "zarrs": "zarrs==0.2.3",
    "ffcv": "ffcv==1.0.2",
}
"""By library, what the present environment may lack of it; later ones use what earlier ones brought."""
FFCV_NEEDS = "FFCV is compiled: apt-get install libopencv-dev libturbojpeg0-dev pkg-config g++"
STAND_INS = {
    "torchvision/__init__.py": "",
    "torchvision/datasets.py": "class VisionDataset: ...\n",
    "torchvision/transforms/__init__.py": "",
    "torchvision/transforms/functional.py": "def to_tensor(image): raise NotImplementedError\n",
    "transformers/__init__.py": "",
    "transformers/feature_extraction_utils.py": "class BatchFeature: ...\n",
    "transformers/tokenization_utils_base.py": "class BatchEncoding: ...\n",
    "transformers/models/__init__.py": "",
    "transformers/models/auto/__init__.py": "",
    "transformers/models/auto/tokenization_auto.py": "class AutoTokenizer: ...\n",
}
"""MosaicML imports these names for image and text sets of its own, which are not used here."""


def folder() -> Path:
    """Return where the environment is kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "textshards" / "stream_peers"


def prepare(place: Path, names: tuple[str, ...] = tuple(PACKAGES)) -> tuple[Path, dict[str, str]]:
    """Make the environment where it is not there; return its Python, and by library why it is missing."""
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        _install(python, "wheel", "setuptools<82")
    site = place / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    present = dict.fromkeys([sysconfig.get_path("purelib"), *sys.path])
    (site / "present.pth").write_text("\n".join(path for path in present if path) + "\n")
    for name, text in STAND_INS.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    missing = {}
    for name in names:
        stamp = place / f"{name}.installed"
        if not stamp.exists():
            print(f"installing {name} into {place}", file=sys.stderr)
            problem = _install(python, *PACKAGES[name].split())
            if problem:
                missing[name] = FFCV_NEEDS if name == "ffcv" else problem
                continue
            stamp.touch()
    return python, missing


def _install(python: Path, *packages: str) -> str:
    """Install packages and nothing that they ask for; return what went wrong, in a line."""
    words = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*words, "--no-deps", "--no-build-isolation", *packages], capture_output=True, text=True, check=False
    )
    return "" if not done.returncode else (done.stderr.strip().splitlines() or ["pip failed"])[-1]
