"""The releases of other engines whose sources were read, and how far the widths of a pair may differ in each."""

from __future__ import annotations

VERSIONS = {
    "transformers": "5.23.0",
    "vLLM": "0.32.0",
    "SGLang": "0.5.23",
    "llama.cpp": "b11434",
    "TensorRT-LLM": "1.3",
}
WIDEST_GAP = {"llama.cpp": 128}
"""Of the numbers of rows; the engines that are not named take none."""
