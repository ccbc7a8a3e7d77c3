"""The k-th greatest of values that lie in several processes, without moving them."""

from __future__ import annotations

import torch
from torch import Tensor

from train.ranks import Ranks

DIGITS = ((21, 11), (10, 11), (0, 10))
"""Shift and number of the bits of a float32 that a round looks at, most significant first."""
SIGN_OFFSET = 1 << 10


def kth_greatest_of_all(values_M: Tensor, k: int, ranks: Ranks) -> Tensor:
    """Return the k-th greatest of all ranks' float32 values together, exactly, as a scalar tensor.

    A radix selection: three rounds of counting by digit, each exchanging at most 2,048 counts. A rank may
    have no values at all.

    Args:
        values_M: (M,) of this rank; M may differ from rank to rank.
        k: from 1 to the number of values on all ranks.
        ranks: the processes.
    """
    keys_M, key = _ordered(values_M.view(torch.int32)), 0
    for shift, bits in DIGITS:
        digits_M = keys_M >> shift
        digits_M = digits_M + SIGN_OFFSET if shift == DIGITS[0][0] else digits_M & ((1 << bits) - 1)
        counts = ranks.sum(torch.bincount(digits_M, minlength=1 << bits))
        at_least = counts.flip(0).cumsum(0).flip(0)
        digit = int((at_least >= k).count_nonzero()) - 1
        k -= int(at_least[digit] - counts[digit])
        keys_M = keys_M[digits_M == digit]
        key |= (digit - SIGN_OFFSET if shift == DIGITS[0][0] else digit) << shift
    bits_of_value = _ordered(torch.tensor(key, dtype=torch.int32, device=values_M.device))
    return bits_of_value.view(torch.float32)


def _ordered(bits: Tensor) -> Tensor:
    """Return float32 bit patterns as int32 that are ordered as the numbers are; its own inverse."""
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
