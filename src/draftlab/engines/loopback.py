"""The processes of a split target talk over the loopback: what they say to one another is for this machine alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from draftlab.errors import UnknownNameError

HOST = "127.0.0.1"
_VARIABLES = {"GLOO_SOCKET_IFNAME": "", "NCCL_SOCKET_IFNAME": "="}
"""What a name is preceded by: NCCL takes it for the beginning of one otherwise."""


def listener() -> socket.socket:
    """A socket on a free port; torch would take a port of every interface."""
    bound = socket.socket()
    bound.bind((HOST, 0))
    return bound


@contextmanager
def on_loopback() -> Iterator[None]:
    """Have groups of processes that are made meanwhile, here and in what is started, use it.

    What the user has set stands. A name that gloo does not find is refused here: torch would count a group that failed,
    and the next one wait for ever.
    """
    interfaces = psutil.net_if_addrs()
    for asked in filter(None, os.environ.get("GLOO_SOCKET_IFNAME", "").split(",")):
        if asked not in interfaces:
            raise UnknownNameError("network interface", asked, interfaces)
    name = next((name for name, own in interfaces.items() if any(each.address == HOST for each in own)), None)
    given = {variable: f"{mark}{name}" for variable, mark in _VARIABLES.items() if name and variable not in os.environ}
    os.environ.update(given)
    try:
        yield
    finally:
        for variable in given:
            os.environ.pop(variable, None)
