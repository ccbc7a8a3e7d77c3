"""The compiler's policy, in one place.

No ``fastmath``: sums are not reassociated and products and sums are not contracted to FMA, so every operation
rounds as IEEE 754 says and a kernel gives the same bytes on every CPU and vector width. Of the functions of
libm only the square root may be used, which IEEE 754 rounds correctly; hypot, exp and the like differ between
libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def kernel(function: F) -> F:
    """Compile a function at its first call; keep the machine code on disk, release the GIL, divide as NumPy.

    Numba looks for changes only in the file of the function that Python calls. A kernel therefore calls
    kernels of its own file and of no other, and takes no constant from another, for it is compiled in: or the
    code on disk would be stale after an edit.
    """
    options = {"cache": True, "nogil": True, "fastmath": False, "error_model": "numpy"}
    return cast(F, njit(**options)(function))
