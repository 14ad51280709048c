"""A drafter that reads the target's hidden states, in the architecture and the file format of EAGLE-3."""

from __future__ import annotations
