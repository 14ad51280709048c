"""Where decoding meets time: plan, run and record a comparison of arms."""

from __future__ import annotations
