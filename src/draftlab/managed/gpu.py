"""Is there a GPU that a server would go to?"""

from __future__ import annotations

import os
import shutil
import subprocess

import torch

_PATIENCE = 20.0  # seconds; a driver that has been idle takes some to answer


def has_gpu() -> bool:
    """As the driver says, too: the server has a torch of its own, and ours may be one for CPUs."""
    return torch.cuda.is_available() or _driver_lists_one()


def _driver_lists_one() -> bool:
    program = shutil.which("nvidia-smi")
    if program is None or os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):  # the user hides them
        return False
    try:
        told = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.returncode == 0 and told.stdout.startswith("GPU ")
