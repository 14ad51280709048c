"""What is exported, read by the engines themselves where they are at hand.

DRAFTLAB_VLLM_PYTHON=/opt/vllm/bin/python DRAFTLAB_LLAMA_SERVER=./llama-server pytest tests/golden/test_engines_read.py
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from draftlab.errors import DraftlabError
from draftlab.export.exporters import EXPORTERS
from tests.golden.test_export import PLANS, speculation

PARSER = Path(__file__).with_name("vllm_parser.py")


def words(engine: str, plan: str) -> list[str]:
    return shlex.split(EXPORTERS[engine].write(PLANS[plan]).text.replace("\\\n", " "))


def program(variable: str, engine: str) -> str:
    found = os.environ.get(variable)
    if not found:
        pytest.skip(f"{variable} does not name {engine}")
    return found


def test_vllm_reads_every_command() -> None:
    """Its own parser and the fields of its configuration; no model is looked at."""
    python = program("DRAFTLAB_VLLM_PYTHON", "a Python that has vLLM")
    asked = json.dumps([words("vllm", plan)[3:] for plan in PLANS])
    done = subprocess.run([python, "-P", str(PARSER)], input=asked, capture_output=True, text=True, check=True)
    read = json.loads(done.stdout.rpartition("READ ")[2])
    assert len(read) == len(PLANS)
    for plan, each in zip(PLANS, read, strict=True):
        assert (each["unknown"], each["unknown_keys"]) == ([], []), plan
        assert each["config"] == (None if plan == "plain" else speculation(PLANS[plan])), plan


def test_llama_server_reads_every_command() -> None:
    """It reads its words in order, and the last one has it print its version and leave."""
    server = program("DRAFTLAB_LLAMA_SERVER", "the file llama-server")
    for plan in PLANS:
        try:
            _, *rest = words("llama.cpp", plan)
        except DraftlabError:  # heads are not for it
            continue
        done = subprocess.run([server, *rest, "--version"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{plan}: {done.stderr[-300:]}"
    assert subprocess.run([server, "--draft-max", "4", "--version"], capture_output=True, check=False).returncode
