"""The engines that an arm can be exported to: one file each, one line each in this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from draftlab.doctor.versions import VERSIONS
from draftlab.errors import UnknownNameError
from draftlab.export import hugging_face, llama_cpp, sglang, trtllm, vllm
from draftlab.export.plan import Plan, Written


@dataclass(frozen=True)
class Exporter:
    """An engine, by the name that it has in the table of `draftlab doctor`."""

    title: str
    write: Callable[[Plan], Written]

    @property
    def version(self) -> str:
        """The release that the syntax was read from."""
        return VERSIONS[self.title]


EXPORTERS = {
    "vllm": Exporter("vLLM", vllm.write),
    "sglang": Exporter("SGLang", sglang.write),
    "llama.cpp": Exporter("llama.cpp", llama_cpp.write),
    "trtllm": Exporter("TensorRT-LLM", trtllm.write),
    "transformers": Exporter("transformers", hugging_face.write),
}


def exporter(name: str) -> Exporter:
    """The one called `name`."""
    if name not in EXPORTERS:
        raise UnknownNameError("engine to export to", name, EXPORTERS)
    return EXPORTERS[name]
