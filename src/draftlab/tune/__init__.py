"""Tuning: which drafter, how many tokens a round, when to stop drafting, or no speculation at all?

texts.py       what the target writes by itself, once for all answers, and what it would say behind a stop
prompts.py     which prompts are tuned on, and which are held out to confirm
policies.py    the drafters under study and the ways to end a draft
path.py        one pass of a drafter over a text: what it would have drafted at every place, and how sure it was
replay.py      from these the rounds that any draft length and any policy would have had
oracle.py      the least that a text can cost with a drafter, whatever the policy
costs.py       what a round costs, measured by rounds of many lengths in turn
study.py       texts, replays and costs of one loaded target
candidates.py  rounds times cost, for every drafter, policy and draft length
ranking.py     predicted speed-ups with intervals, one recommendation
run.py         all of it in this order, and a short real run of the recommendation
findings.py    what is reported, with the keys of the JSON document
reporting.py   from candidates to findings
terminal.py    the report for a terminal
progress.py    who is told how far it is
"""
