"""How each engine is started: the words that `draftlab export` prints, and what makes plain and speculative alike.

Speculation changes settings by itself (asynchronous scheduling in vLLM, the number of running requests in SGLang);
those are pinned to one value in both servers, and prompts are not kept, since each is sent once to each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from draftlab.errors import UnknownNameError
from draftlab.export import llama_cpp, sglang, trtllm, vllm
from draftlab.export.plan import Plan

PORT, CONFIG = "{port}", "{config}"
"""Stand in a command for a port that is chosen later, and for a file that is written then."""


@dataclass(frozen=True)
class ServerEngine:
    """An engine that serves."""

    command: Callable[[str, Plan], list[str]]
    """From the program that the user named and a plan."""
    program: str
    """What the user has to name."""
    title: str = ""
    """As `draftlab.doctor.versions` has it."""
    environment: Callable[[Path], dict[str, str]] = lambda _: {}
    requests: Mapping[str, object] = field(default_factory=dict)
    """What every request says besides."""
    config: Callable[[Plan], str] | None = None
    """The text of the file that the command calls `CONFIG`."""


def _vllm(python: str, plan: Plan) -> list[str]:
    (_, _, target), *rest = vllm.words(plan)
    return [
        python, "-m", "vllm.entrypoints.openai.api_server", "--model", target, *chain.from_iterable(rest),
        "--host", "127.0.0.1", "--port", PORT,
        "--seed", "0", "--no-enable-prefix-caching", "--no-async-scheduling",
        "--max-model-len", "auto",  # as long as the cache holds: its longest text alone may need more than there is
    ]  # fmt: skip


def _sglang(python: str, plan: Plan) -> list[str]:
    (_, *program), *rest = sglang.words(plan)
    running = [] if plan.drafter else ["--max-running-requests", str(sglang.RUNNING)]
    return [
        python, *program, *chain.from_iterable(rest), *running,
        "--host", "127.0.0.1", "--port", PORT, "--random-seed", "0", "--disable-radix-cache",
    ]  # fmt: skip


def _llama_cpp(program: str, plan: Plan) -> list[str]:
    (_, *model), *rest = llama_cpp.words(plan)
    return [program, *model, *chain.from_iterable(rest), "--host", "127.0.0.1", "--port", PORT, "--seed", "0"]


def _trtllm(program: str, plan: Plan) -> list[str]:
    _, *model = trtllm.words(plan)
    return [
        program, *model, "--backend", "pytorch", "--host", "127.0.0.1", "--port", PORT, "--config", CONFIG,
    ]  # fmt: skip


def _trtllm_config(plan: Plan) -> str:
    """The overlap scheduler is what speculation turns off; the last two have each reply told of at /perf_metrics."""
    alike = [
        "disable_overlap_scheduler: true",
        "kv_cache_config:",
        "  enable_block_reuse: false",
        "return_perf_metrics: true",
        "perf_metrics_max_requests: 1000",
    ]
    return "\n".join([*trtllm.config(plan), *alike, ""])


def _vllm_environment(python: Path) -> dict[str, str]:
    """Nothing is sent home; on a CPU the threads stay free to move, since two servers share the cores."""
    root = python.absolute().parent.parent / "lib"
    libraries = [
        str(path) for name in ("libtcmalloc_minimal*.so*", "libiomp5.so") for path in sorted(root.rglob(name))[:1]
    ]
    usual = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
        "KMP_BLOCKTIME": "5",  # ms that an idle thread spins; the other server would wait for it
        **({"LD_PRELOAD": ":".join(libraries)} if libraries else {}),
    }
    return {name: value for name, value in usual.items() if name not in os.environ}


_PYTHON = "the Python of the environment that has it"
ENGINES: Mapping[str, ServerEngine] = {
    "vllm": ServerEngine(_vllm, _PYTHON, "vLLM", _vllm_environment),
    "sglang": ServerEngine(_sglang, _PYTHON, "SGLang"),
    "llama.cpp": ServerEngine(_llama_cpp, "the file llama-server", "llama.cpp", requests={"cache_prompt": False}),
    "trtllm": ServerEngine(_trtllm, "the file trtllm-serve", "TensorRT-LLM", config=_trtllm_config),
}


def engine_called(name: str) -> ServerEngine:
    """The engine of that name."""
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    return ENGINES[name]


@dataclass(frozen=True)
class Launch:
    """How one server is started."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    config: str | None = None

    @property
    def facts(self) -> dict[str, object]:
        """For the record: what does not change from start to start."""
        return {"command": list(self.command), **({} if self.config is None else {"config": self.config})}

    def words(self, port: int, config: Path) -> list[str]:
        """The command as it is run."""
        return [{PORT: str(port), CONFIG: str(config)}.get(word, word) for word in self.command]


def launch(engine: ServerEngine, program: str, plan: Plan) -> Launch:
    """A server of `engine` that does what is planned."""
    return Launch(
        engine.command(program, plan),
        engine.environment(Path(program)),
        None if engine.config is None else engine.config(plan),
    )
