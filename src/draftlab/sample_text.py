"""A short text, half prose and half code: what is tried or compared on one is tried on this."""

from __future__ import annotations

SAMPLE = (
    "The committee met again in the spring, and this time it had brought the old maps. Nobody could say why the river "
    "had been drawn so far to the west, or who had paid for it.\n\n"
    "def mean(values: list[float]) -> float:\n    total = 0.0\n    for value in values:\n        total += value\n"
    "    return total / len(values)\n"
)
