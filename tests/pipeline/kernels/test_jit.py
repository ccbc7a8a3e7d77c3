from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from platform import machine
from threading import Thread

import numpy as np
import pytest

import pipeline.kernels
from formats.spec import TargetsSpec
from pipeline.kernels.jit import kernel
from pipeline.render import render

DRAW = """
import hashlib, sys
import numpy as np
from formats.spec import TargetsSpec
from pipeline.render import render, render_planes

rng = np.random.default_rng(11)
digest = hashlib.sha256()
for _ in range(int(sys.argv[1])):
    side = int(sys.argv[2])
    polygons = []
    for _ in range(int(sys.argv[3])):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 12)))
        ring = np.stack([np.cos(angles), 0.4 * np.sin(angles)], axis=1)
        polygons.append(ring * rng.uniform(4, side / 3) + rng.uniform(-5, side + 5, 2))
    flags = [bool(flag) for flag in rng.integers(0, 5, len(polygons)) == 0]
    distance = render(polygons, flags, (side, side), TargetsSpec())
    planes = render_planes(polygons, flags, (side, side), TargetsSpec()).maps
    digest.update(repr(distance.statuses).encode())
    for plane in (
        distance.maps.distance_HW, distance.maps.overlap_HW, distance.maps.prob_mask_HW,
        planes.prob_HW, planes.thresh_HW, planes.thresh_mask_HW, planes.prob_mask_HW,
    ):
        digest.update(b"" if plane is None else plane.tobytes())
print(digest.hexdigest())
"""

ASSEMBLE = """
from numba import float32, float64, int64, types, uint8
from pipeline.kernels import jit
njit = jit.njit
jit.njit = lambda **options: njit(**options | {"cache": False})  # code from the cache cannot be looked at
from pipeline.kernels.distance import Tile, _merge_distance, _near_edges

tile = types.NamedUniTuple(int64, 4, Tile)
_near_edges.compile((float64[:, ::1], int64, int64, float64, tile, float32[::1]))
_merge_distance.compile((tile, int64, int64, uint8[::1], uint8[::1]))
print(*_near_edges.inspect_asm().values(), "-----", *_merge_distance.inspect_asm().values())
"""


def digest(pages: int, side: int, texts: int, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW, str(pages), str(side), str(texts)],
        env=os.environ | environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bytes_do_not_depend_on_the_cpu(tmp_path: Path) -> None:
    here = digest(12, 480, 60)
    generic = digest(
        12, 480, 60, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", NUMBA_CACHE_DIR=str(tmp_path)
    )
    assert generic == here


@pytest.mark.skipif(machine() != "x86_64", reason="looks at x86-64 code")
def test_loops_are_of_vectors_and_store_them_whole_with_avx2_alone() -> None:
    environment = os.environ | {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2"}
    done = subprocess.run(
        [sys.executable, "-c", ASSEMBLE],
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    edges, merge = done.stdout.split("-----")
    assert "vminps" in edges
    assert "vmaskmov" not in edges
    assert "vpmaxub" in merge


def test_bytes_do_not_depend_on_the_compiler() -> None:
    assert digest(1, 48, 4, NUMBA_DISABLE_JIT="1") == digest(1, 48, 4)


@pytest.mark.parametrize(
    "file", sorted(Path(pipeline.kernels.__file__).parent.glob("*.py")), ids=lambda f: f.name
)
def test_what_a_kernel_is_compiled_of_stands_in_its_own_file(file: Path) -> None:
    imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = {node.module for node in imports if (node.module or "").startswith(("formats", "pipeline"))}
    assert ours <= {"pipeline.kernels.jit"}


def test_kernels_are_compiled_once_and_not_in_the_workers(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}",
    }
    words = [sys.executable, "-W", "error", str(root / "tests" / "compiling_program.py")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (own, hits, misses), *workers = json.loads(done.stdout)
    assert (hits, misses) == (0, 2)
    assert own not in {process for process, _, _ in workers}
    assert {(hits, misses) for _, hits, misses in workers} == {(2, 0)}


def test_a_kernel_lets_other_threads_run_meanwhile() -> None:
    polygons = [np.array([[9, 9], [1900, 9], [1900, 1900 - i], [9, 1900]], np.float64) for i in range(8)]
    flags, targets = [False] * len(polygons), TargetsSpec()
    render(polygons, flags, (2048, 2048), targets)
    drawn, enough = [], []

    def work() -> None:
        while len(drawn) < 40 and not enough:
            drawn.append(render(polygons, flags, (2048, 2048), targets))

    before = sys.getswitchinterval()
    # Within this time a thread gives the interpreter away only of itself, which a kernel must do.
    sys.setswitchinterval(60.0)
    try:
        thread = Thread(target=work)
        thread.start()
        enough.append(True)
        thread.join()
    finally:
        sys.setswitchinterval(before)
    assert len(drawn) < 40


def test_a_kernel_is_compiled_without_leave_to_change_results() -> None:
    @kernel
    def product_and_sum(a: float, b: float, c: float) -> float:
        return a * b + c

    exact = 1.0 + 2.0**-30
    assert product_and_sum(exact, exact, -1.0) == exact * exact - 1.0
    assert getattr(product_and_sum, "py_func", None) is not None


def test_a_kernel_divides_by_zero_as_numpy_does() -> None:
    @kernel
    def quotient(a: float, b: float) -> float:
        return a / b

    assert np.isinf(quotient(1.0, 0.0))
    with pytest.raises(ZeroDivisionError):
        quotient.py_func(1.0, 0.0)  # type: ignore[attr-defined]
