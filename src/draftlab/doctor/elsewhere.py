"""What other engines do with such a pair: a table, read from their sources at the versions named. Nothing is run.

For each engine the first line that applies is reported. A line is only as good as its version: an engine that is newer
may have changed, which is why version and source stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from draftlab.doctor.facts import Facts
from draftlab.doctor.findings import Elsewhere, Outcome
from draftlab.doctor.versions import VERSIONS, WIDEST_GAP
from draftlab.drafters.agreement import compare_ids

_LLAMA_START = 5


@dataclass(frozen=True)
class Pair:
    """What engines ask of a pair."""

    target: Facts
    drafter: Facts | None

    @property
    def looks_up(self) -> bool:
        return self.drafter is None

    @property
    def has_state(self) -> bool:
        return self.target.recurrent or self.drafter_has_state

    @property
    def drafter_has_state(self) -> bool:
        return self.drafter is not None and self.drafter.recurrent

    @property
    def gap(self) -> int:
        return abs(self.target.width - self.drafter.width) if self.drafter is not None else 0

    @property
    def padded(self) -> bool:
        return self.gap > 0

    @cached_property
    def ids_differ(self) -> bool:
        if self.drafter is None:
            return False
        num_shared, differing = compare_ids(self.target.tokenizer, self.drafter.tokenizer)
        return bool(differing) or not num_shared

    @cached_property
    def _spelling(self) -> tuple[dict[int, str], dict[int, str]]:
        mine = self.target.tokenizer.vocabulary()
        return mine, self.drafter.tokenizer.vocabulary() if self.drafter is not None else mine

    @property
    def vocabularies_differ(self) -> bool:
        mine, theirs = self._spelling
        return mine != theirs

    @cached_property
    def llama_difference(self) -> int | None:
        """The first id that llama.cpp finds to be spelt differently; padding is spelt alike in every GGUF file."""
        mine, theirs = self._spelling
        both = range(_LLAMA_START, min(self.target.width, self.drafter.width if self.drafter else 0))
        return next((i for i in both if mine.get(i) != theirs.get(i)), None)


@dataclass(frozen=True)
class _Line:
    engine: str
    when: Callable[[Pair], bool]
    outcome: Outcome
    what: str
    """`{gap}` is the difference of the widths, `{id}` the first id that llama.cpp stumbles over."""
    source: str


def _always(pair: Pair) -> bool:
    return True


# CG is generation/candidate_generator.py, GU generation/utils.py of transformers.
_TABLE = (
    _Line("transformers", lambda p: p.target.recurrent, "refuses",
          "assisted generation and prompt lookup are refused for a target with a recurrent state", "GU:1879"),
    _Line("transformers", lambda p: p.looks_up, "works",
          "generate(prompt_lookup_num_tokens=gamma, max_matching_ngram_size=N)", "CG:1013"),
    _Line("transformers", lambda p: p.ids_differ and not p.padded, "limited",
          "accepts the pair, since it compares config.vocab_size alone; the drafts are other words and hardly any is "
          "kept", "GU:1904"),
    _Line("transformers", lambda p: p.ids_differ, "limited",
          "needs tokenizer= and assistant_tokenizer=; greedy drafts then go through text, and sampling prunes the "
          "drafter's head for good", "GU:1904, CG:338, CG:732"),
    _Line("transformers", lambda p: p.padded, "limited",
          "refuses the pair without tokenizer= and assistant_tokenizer=; with both, greedy decoding re-encodes text in "
          "every round, and sampling ends with an AttributeError. A padded drafter works", "GU:1904, CG:816"),
    _Line("transformers", lambda p: p.drafter_has_state, "limited",
          "accepts the drafter, but does not roll its recurrent state back: worse drafts, the right text",
          "cache_utils LinearAttentionCacheLayerMixin.crop"),
    _Line("transformers", _always, "works",
          "generate(assistant_model=drafter); the draft length is read from drafter.generation_config "
          "(num_assistant_tokens 20, assistant_confidence_threshold 0.4), and ignored as an argument of generate()",
          "CG:118"),
    _Line("vLLM", lambda p: p.has_state, "not known", "not looked up for a model with a recurrent state", "-"),
    _Line("vLLM", lambda p: p.looks_up, "works",
          'method "ngram"; write prompt_lookup_min and prompt_lookup_max, which are 5 and 5 where both are left out',
          "config/speculative.py"),
    _Line("vLLM", lambda p: p.ids_differ and not p.padded, "limited",
          "accepts the pair, since it compares the vocabulary size alone; hardly any draft is kept",
          "config/speculative.py verify_equal_vocab_size_if_draft_model"),
    _Line("vLLM", lambda p: p.ids_differ, "limited",
          'refuses unequal vocabulary sizes; with "use_heterogeneous_vocab": true the shared tokens are drafted, '
          "greedily", "config/speculative.py verify_equal_vocab_size_if_draft_model"),
    _Line("vLLM", lambda p: p.padded, "limited",
          'refuses unequal vocabulary sizes; "use_heterogeneous_vocab": true lets them pass with greedy drafts alone. '
          "A padded drafter works", "config/speculative.py verify_equal_vocab_size_if_draft_model, vllm#13849"),
    _Line("vLLM", _always, "works",
          'method "draft_model"; drafts are greedy unless draft_sample_method is "probabilistic", and min_p is refused',
          "config/speculative.py"),
    _Line("SGLang", lambda p: p.has_state, "not known", "not looked up for a model with a recurrent state", "-"),
    _Line("SGLang", lambda p: p.looks_up, "works",
          "--speculative-algorithm NGRAM; it looks up in a tree that all requests share, 10 branches wide unless told",
          "arg_groups/fields/spec.py"),
    _Line("SGLang", lambda p: p.vocabularies_differ, "refuses",
          "STANDALONE compares the two tokenizers entry by entry, special tokens too", "standalone_worker_v2.py:185"),
    _Line("SGLang", lambda p: p.padded, "refuses",
          "STANDALONE raises on unequal vocab_size. A padded drafter works", "standalone_worker_v2.py:185"),
    _Line("SGLang", _always, "works",
          "--speculative-algorithm STANDALONE, on CUDA; it sets --max-running-requests 48, so give the same to the "
          "baseline", "speculative_hook.py"),
    _Line("llama.cpp", lambda p: p.has_state, "not known", "not looked up for a model with a recurrent state", "-"),
    _Line("llama.cpp", lambda p: p.looks_up, "works",
          "--spec-type ngram-simple; one fixed n-gram length, the latest match", "common/ngram-map.cpp"),
    _Line("llama.cpp", lambda p: p.gap > WIDEST_GAP["llama.cpp"], "refuses",
          "the vocabularies may differ by 128 entries and differ by {gap}; the server logs an error and serves without "
          "speculation. A padded drafter works", "common/speculative.cpp SPEC_VOCAB_MAX_SIZE_DIFFERENCE"),
    _Line("llama.cpp", lambda p: p.llama_difference is not None, "refuses",
          "token texts are compared from id 5 on, and id {id} differs; the server logs an error and serves without "
          "speculation", "common/speculative.cpp SPEC_VOCAB_CHECK_START_TOKEN_ID"),
    _Line("llama.cpp", lambda p: p.padded, "works",
          "the vocabularies differ by {gap} entries, and 128 are allowed; write --spec-type draft-simple, since -md "
          "alone does not speculate", "common/speculative.cpp, common/arg.cpp:566"),
    _Line("llama.cpp", _always, "works",
          "write --spec-type draft-simple, since -md alone does not speculate", "common/arg.cpp:566"),
)  # fmt: skip


def look_up(target: Facts, drafter: Facts | None) -> tuple[Elsewhere, ...]:
    """One line for each engine. A toy exists nowhere else."""
    if target.checkpoint is None or (drafter is not None and drafter.checkpoint is None):
        return ()
    pair = Pair(target, drafter)
    return tuple(_first(engine, pair) for engine in dict.fromkeys(line.engine for line in _TABLE))


def _first(engine: str, pair: Pair) -> Elsewhere:
    line = next(line for line in _TABLE if line.engine == engine and line.when(pair))
    source = line.source.replace("CG:", "generation/candidate_generator.py:").replace("GU:", "generation/utils.py:")
    what = line.what.replace("{gap}", str(pair.gap)).replace("{id}", str(pair.llama_difference))
    return Elsewhere(engine=engine, version=VERSIONS[engine], outcome=line.outcome, what=what, source=source)
