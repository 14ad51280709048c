"""The doctor: will this target and this drafter work together, here and elsewhere, and from what acceptance rate on?

facts.py       what a model's files say of it, before any weights are read
findings.py    a check, what an engine does, a forecast: what is reported
vocabulary.py  checks of tokenizers: ids, special and stop tokens, chat templates, padded widths
behaviour.py   checks of models: state, sliding windows, contexts, settings that change the output
machine.py     checks of what is here: weights, number formats, memory
elsewhere.py   the table of what other engines do with such a pair, each line with its source
padding.py     a copy of the drafter that is as wide as the target
timing.py      a few passes of both models, timed in turns
forecast.py    from the times to a speed-up for each acceptance rate, and the break-even
run.py         all of it, in this order
terminal.py    the report for a terminal
"""
