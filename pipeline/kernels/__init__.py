"""The compiled part: arrays and numbers, no meaning. numba lives here alone."""
