"""`python -m draftlab` is the command `draftlab`."""

from __future__ import annotations

from draftlab.cli import main

main()
