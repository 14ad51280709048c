"""The processes of a split target talk over the loopback: what they say to one another is for this machine alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

HOST = "127.0.0.1"
_VARIABLES = {"GLOO_SOCKET_IFNAME": "", "NCCL_SOCKET_IFNAME": "="}
"""What a name is preceded by: NCCL takes it for the beginning of one otherwise."""


def listener() -> socket.socket:
    """A socket on a free port; torch would take a port of every interface."""
    bound = socket.socket()
    bound.bind((HOST, 0))
    return bound


def describe_interfaces() -> str:
    """What was set, by the user or here."""
    return " and ".join(f"{variable}={os.environ.get(variable, '')}" for variable in _VARIABLES)


@contextmanager
def on_loopback() -> Iterator[None]:
    """Have groups of processes that are made meanwhile, here and in what is started, use it.

    What the user has set stands.
    """
    name = next((name for name, own in psutil.net_if_addrs().items() if any(a.address == HOST for a in own)), None)
    given = {variable: f"{mark}{name}" for variable, mark in _VARIABLES.items() if name and variable not in os.environ}
    os.environ.update(given)
    try:
        yield
    finally:
        for variable in given:
            os.environ.pop(variable, None)
