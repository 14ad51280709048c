"""The audit: does an implementation of speculative decoding keep the target's law? Draftlab's own, or anybody's.

adapter.py    what an implementation has to offer, and how a name on the command line becomes one
subjects.py   those that are built in: draftlab, transformers, and draftlab with a planted bug
memo.py       forward passes remembered by prefix, which makes thousands of samples of one prompt cheap
law.py        the probabilities of the next one, two and three tokens, from the target alone
goodness.py   the tests, their power, and the estimate of the total variation
greedy.py     the target's own greedy text against the implementation's
run.py        the whole audit, one prompt after another
findings.py   what it found, and the verdict
"""
