"""Whether two models mean the same by a token id: the tokenizers tell, never the width of the logits."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.drafters.agreement import require_agreement
from draftlab.drafters.model import ModelDrafter
from draftlab.engines.tokenizer import HuggingFaceTokenizer
from draftlab.engines.toy import ToyModel
from draftlab.errors import DraftlabError
from draftlab.spec import Experiment
from draftlab.types import LoadedModel
from draftlab.workbench import Workbench
from tests.models.native import MAX_NEW_TOKENS, PROMPTS, STOP, generate, native_texts
from tests.models.running import Run, acceptance_rate, run
from tests.models.saved import END, UNKNOWN, save, sentence, tiny_tokenizer, words
from tests.models.tiny import DRAFTER_WIDTHS, REAL, WIDTH, tiny_family


def model(name: str, vocabulary: dict[str, int], width: int, end: str = END) -> LoadedModel:
    """A model of which only the tokenizer and the width matter."""
    network = ToyModel(width)
    network.name = name
    return LoadedModel(network, HuggingFaceTokenizer(tiny_tokenizer(vocabulary, end), name), {}, {})


def renamed(old: str, new: str) -> dict[str, int]:
    return {new if word == old else word: i for word, i in words().items()}


TARGET = model("big", words(), WIDTH)


@pytest.mark.parametrize("width", [WIDTH, *DRAFTER_WIDTHS.values()])
def test_one_tokenizer_agrees_at_any_width(width: int) -> None:
    require_agreement(TARGET, model("small", words(), width))


@pytest.mark.parametrize("size", [REAL - 8, REAL + 8])
def test_a_vocabulary_that_goes_on_agrees(size: int) -> None:
    """One of two siblings has tokens added at the end."""
    require_agreement(TARGET, model("small", words(size), WIDTH))
    require_agreement(model("small", words(size), WIDTH), TARGET)


def test_special_tokens_may_have_other_names() -> None:
    """A base model ends with <|endoftext|> where its chat sibling has <|im_end|>, at the same id."""
    require_agreement(TARGET, model("small", renamed(END, "<stop>"), WIDTH, end="<stop>"))


def test_a_token_that_is_special_for_one_alone_may_differ() -> None:
    """An unused token of the base model that its chat sibling has turned into a marker."""
    marker = model("chat", renamed("w9", "<marker>"), WIDTH, end="<marker>")
    require_agreement(TARGET, marker)
    require_agreement(marker, TARGET)


def refusal(drafter: LoadedModel) -> str:
    with pytest.raises(DraftlabError) as caught:
        require_agreement(TARGET, drafter)
    assert "ngram" in str(caught.value.hint)
    message = str(caught.value)
    assert "'big'" in message
    assert f"'{drafter.model.name}'" in message
    return message


def test_one_ordinary_token_of_another_name_is_enough_to_refuse() -> None:
    message = refusal(model("small", renamed("w9", "other"), WIDTH))
    assert "1 of 46 shared ids differ; id 9 is 'w9' and 'other'" in message


def test_another_order_is_another_tokenizer() -> None:
    """The same words and the same size: only the ids tell."""
    shifted = {word: i if i < 2 else 2 + (i - 1) % (REAL - 2) for word, i in words().items()}
    assert sorted(shifted.values()) == sorted(words().values())
    assert "46 of 46 shared ids differ" in refusal(model("small", shifted, WIDTH))


def test_nothing_in_common_is_refused() -> None:
    elsewhere = {UNKNOWN: 100, END: 101} | {f"w{i}": 100 + i for i in range(2, REAL)}
    assert "0 of 0 shared ids" in refusal(model("small", elsewhere, 200))


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """A target and its drafters, whose widths differ from the target's and from their own tokenizer's."""
    family = tiny_family("gpt_neox")
    found = {which: save(network, tmp_path / which) for which, network in family.drafters.items()}
    return found | {"target": save(family.network, tmp_path / "target")}


def open_bench(folders: dict[str, Path], drafter: str) -> Workbench:
    return Workbench.open(Experiment(target=str(folders["target"]), drafters=(drafter,), device="cpu"))


@pytest.mark.parametrize("which", DRAFTER_WIDTHS)
def test_a_model_drafter_end_to_end(folders: dict[str, Path], which: str) -> None:
    reference = f"model:{folders[which]}"
    bench = open_bench(folders, reference)
    drafter = bench.drafter(reference)
    assert isinstance(drafter, ModelDrafter)
    assert drafter.model.vocab_size == DRAFTER_WIDTHS[which] != bench.target.model.vocab_size
    assert set(bench.drafter_models) == {str(folders[which])}
    subject = bench.decoder(drafter, 4)
    network = tiny_family("gpt_neox").network
    runs: list[Run] = []
    for prompt in PROMPTS[:8]:
        tokens = bench.target.tokenizer.encode(sentence(prompt))
        finished = run(subject, tokens, MAX_NEW_TOKENS)
        assert finished.tokens == generate(network, tokens, MAX_NEW_TOKENS, frozenset())
        runs.append(finished)
    assert 0.05 < acceptance_rate(runs) < 0.98


def test_a_drafter_is_loaded_once(folders: dict[str, Path]) -> None:
    reference = f"model:{folders['wider']}"
    bench = open_bench(folders, reference)
    first, second = bench.drafter(reference), bench.drafter(reference)
    assert isinstance(first, ModelDrafter)
    assert isinstance(second, ModelDrafter)
    assert first is not second
    assert first.model is second.model


def test_a_drafter_of_another_tokenizer_is_refused_end_to_end(folders: dict[str, Path]) -> None:
    tiny_tokenizer(renamed("w9", "other")).save_pretrained(folders["wider"])
    reference = f"model:{folders['wider']}"
    bench = open_bench(folders, reference)
    with pytest.raises(DraftlabError) as caught:
        bench.drafter(reference)
    for name in ("target", "wider"):
        assert f"'{folders[name]}'" in str(caught.value)


def test_a_drafter_without_a_model_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(DraftlabError, match="needs a model"):
        open_bench(folders, "model").drafter("model")


def test_stops_of_the_target_decide(folders: dict[str, Path]) -> None:
    """The drafter's own end of text means nothing: it may draft on, and the target's stops cut."""
    (folders["target"] / "generation_config.json").write_text(f'{{"eos_token_id": {sorted(STOP)}}}')
    (folders["wider"] / "generation_config.json").write_text('{"eos_token_id": 5}')
    reference = f"model:{folders['wider']}"
    bench = open_bench(folders, reference)
    subject = bench.decoder(bench.drafter(reference), 4)
    assert [run(subject, prompt, MAX_NEW_TOKENS).tokens for prompt in PROMPTS] == native_texts("gpt_neox")
