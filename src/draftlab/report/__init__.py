"""From a run's traces to figures, and from figures to what people read. Never imports torch."""

from __future__ import annotations
