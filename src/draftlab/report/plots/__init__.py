"""A run's plots: from its records to numbers, and from numbers to a figure. Drawn by matplotlib, without pyplot."""

from __future__ import annotations
