"""A process that has one part of a split target, and passes over it what process 0 says (see `ranks`).

Run as `python -m draftlab.engines.follower RANK NUM PORT`. The first line of its standard input says what to load, each
line after that is a list of calls; the last call of a list is made by all processes at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys

import torch.distributed as dist

from draftlab.engines.loading import open_checkpoint
from draftlab.engines.loopback import HOST
from draftlab.engines.placement import part_of_process
from draftlab.engines.ranks import LOADED, READY, join
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, resolve


def follow(rank: int, num: int, port: int) -> None:
    """Load this process's part, then do what is said until nobody says more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for process 0, and the end of the input for this one
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    orders = json.loads(sys.stdin.readline())
    print(READY, file=answers, flush=True)
    store = dist.TCPStore(HOST, port, num, is_master=False)  # type: ignore[attr-defined]
    join(store, rank, num)
    checkpoint = open_checkpoint(resolve(orders["reference"]), LoadOptions(**orders["options"], tensor_parallel=num))
    model = TransformersModel(checkpoint.load_network(part_of_process()), orders["reference"])
    print(LOADED, file=answers, flush=True)
    for line in sys.stdin:
        for call, *arguments in json.loads(line):
            getattr(model, call)(*arguments)
    dist.destroy_process_group()


if __name__ == "__main__":
    try:
        follow(*map(int, sys.argv[1:]))
    except DraftlabError as error:
        sys.exit(str(error))
