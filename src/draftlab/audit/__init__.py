"""The audit: does an implementation of speculative decoding keep the target's law? Draftlab's own, or anybody's.

- adapter.py: what an implementation has to offer, and how a name on the command line becomes one
- subjects.py: those that are built in: draftlab, and draftlab with a planted bug; and whatever an adapter opens
- assisted.py: assisted generation of transformers as an adapter
- plan.py: how thorough an audit is
- law.py: the probabilities of the next few tokens, from the target alone
- goodness.py: the tests, their power, and the estimate of the total variation
- sampled.py: samples of a prompt, drawn and tested
- greedy.py: the target's own greedy text against the implementation's
- memo.py: forward passes remembered by prefix, which makes thousands of samples of one prompt cheap
- samples.py: samples on disk, for an audit that is interrupted
- run.py: the whole audit
- findings.py: what it found, and the verdict
- terminal.py: the same as tables
"""
