"""Servers of other engines, started for one run on this machine and ended with it.

engines.py      how each engine is started, a few lines for each; the flags are those that `draftlab export` prints
process.py      one server: started, waited for, ended
servers.py      those of a run, together or in turn
room.py         what memory holds of them
gpu.py          whether that is a GPU's
mode.py         the same when a run goes on as when it began
head.py         an EAGLE-3 head with all of its rows
run.py          a bench on a plain server and a speculative one
"""
