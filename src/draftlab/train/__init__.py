"""`draftlab train`: a drafter for any target, from the target's own texts.

The target writes texts and shows its hidden states (`capture`), a student learns from them (`learning`), and the result
is an ordinary checkpoint: of EAGLE-3 (`head`), or of a language model with fewer layers (`small_model`). Everything
that takes long is kept in the folder as it comes, so that a run which was killed goes on where it was.
"""

from __future__ import annotations
