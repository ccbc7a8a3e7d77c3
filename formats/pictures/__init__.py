"""Samples and sets as pictures."""
