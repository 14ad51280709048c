"""Many users at once: where speculation stops paying on a server as users are added.

records.py      what is kept of a measurement: its settings, its blocks, each request
drive.py        so many users at one server, each with one request at a time
run.py          all blocks, plain and speculative in turn; a block that is on disk is not done again
measure.py      blocks -> throughput, waits, ratios with intervals, the crossing
lengths.py      several draft lengths, and the best of them at each number of users
terminal.py     those as a table
"""
