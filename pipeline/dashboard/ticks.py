"""Where numbers stand along an axis: round ones, apart from each other; whole ones of counts."""

from __future__ import annotations

import math


def ticks(low: float, high: float, about: int = 5, *, whole: bool = False) -> list[float]:
    """Return round numbers from `low` to `high`, in steps of 1, 2 or 5 times a power of ten.

    Args:
        low, high: ends of an axis.
        about: how many numbers there are at most, but for one.
        whole: what is counted has no numbers between whole ones.
    """
    if not high > low:
        return [low]
    step = step_of(high - low, about, whole)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def step_of(span: float, about: int, whole: bool) -> float:
    """Return the step from one number of an axis to the next."""
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(power * times for times in (1, 2, 5, 10, 20) if span / (power * times) <= about)
    return max(step, 1.0) if whole else step


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers that lie about evenly on a logarithmic axis."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 7)
    values = [v for power in powers for d in digits if low <= (v := d * 10.0**power) <= high]
    # Of values that are close an axis is as good as even, and needs finer numbers.
    return values if len(values) > 2 else ticks(low, high)


def apart(low: float, high: float) -> tuple[float, float]:
    """Return two ends of an axis that lie apart, whatever lies between: a single value is in its middle."""
    return (low, high) if high > low else (low - 0.05 * abs(low or 1), high + 0.05 * abs(high or 1))
