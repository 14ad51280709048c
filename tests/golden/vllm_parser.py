"""Commands as vLLM reads them, in its own environment: a JSON list of lists of words in, what it makes of each out."""

from __future__ import annotations

import json
import sys
from dataclasses import fields

from vllm.config.speculative import SpeculativeConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.utils.argparse_utils import FlexibleArgumentParser

known = {field.name for field in fields(SpeculativeConfig)}
found = []
for words in json.load(sys.stdin):
    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
    parsed, unknown = parser.parse_known_args(words)
    config = parsed.speculative_config
    found.append({"unknown": unknown, "config": config, "unknown_keys": sorted(set(config or {}) - known)})
print("READ " + json.dumps(found))
