"""Tuning: which drafter, how many tokens a round, when to stop drafting, or no speculation at all?

texts.py     what the target writes by itself, once for all answers, and what it would say behind a stop
policies.py  the drafters under study and the ways to end a draft
path.py      one pass of a drafter over such a text: what it would have drafted at every place, and how sure it was
replay.py    from these the rounds that any draft length and any policy would have had
costs.py     what a round costs, measured by rounds of many lengths in turn
ranking.py   both together: predicted speed-ups with intervals, one recommendation
study.py     all of that, in this order
confirm.py   a short real run of the recommendation on other prompts
findings.py  what is reported, with the keys of the JSON document
terminal.py  the report for a terminal
"""
