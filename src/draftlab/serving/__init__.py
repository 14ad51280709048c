"""The bench on servers: the same suites, runs and reports, with another program decoding.

prepare.py      an experiment with an address becomes a bench
arm.py          one server as an arm: a prompt sent, a reply and its counts kept
in_turn.py      the same, where only one server can be up
started.py      servers that were started for the run, and where they are
"""
