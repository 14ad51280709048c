"""What a GPU makes of speculative decoding, on the notebook's three pairs with random weights."""

from __future__ import annotations
