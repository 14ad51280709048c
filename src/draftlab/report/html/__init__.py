"""A run as one page that opens anywhere: a single file, without a server and without a network address in it."""

from __future__ import annotations
