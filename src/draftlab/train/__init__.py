"""`draftlab train`: a drafter for any target, from the target's own texts.

The target writes texts and shows its hidden states (`capture`), one layer learns to run ahead of it (`learning`), and
the result is an ordinary EAGLE-3 checkpoint (`product`). Everything that takes long is kept in the folder as it comes,
so that a run which was killed goes on where it was.
"""

from __future__ import annotations
