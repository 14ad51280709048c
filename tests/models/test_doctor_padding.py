"""A padded copy is the same drafter: its logits on shared ids, its drafts, and no padded id ever ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PhiConfig

from draftlab.doctor.facts import Facts, read_facts
from draftlab.doctor.findings import Padded
from draftlab.doctor.padding import write_padded
from draftlab.errors import DraftlabError
from draftlab.models import LoadOptions, resolve
from tests.models.saved import load_folder, save, tiny_tokenizer, words
from tests.models.tiny import REAL, WIDTH, Family, random_network, tiny_config, tiny_family

CPU = LoadOptions(device="cpu")
TEXT = list(range(2, 30))


def facts(folder: Path) -> Facts:
    return read_facts(resolve(str(folder)), CPU)


def pad(target: Any, drafter: Any, folder: Path) -> Padded:
    one, other = save(target, folder / "target"), save(drafter, folder / "drafter")
    return write_padded(facts(one), facts(other), folder / "padded", CPU)


@torch.inference_mode()
def logits(folder: Path) -> torch.Tensor:
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    out: torch.Tensor = network(input_ids=torch.tensor([TEXT])).logits[0]
    return out


@pytest.mark.parametrize("width", ["narrower", "wider"])
def test_every_family(family: Family, width: str, tmp_path: Path) -> None:
    padded = pad(family.network, family.drafters[width], tmp_path)
    assert (padded.width, padded.width_before) == (WIDTH, family.drafters[width].config.vocab_size)
    before, after = logits(tmp_path / "drafter"), logits(tmp_path / "padded")
    shared = min(before.shape[1], WIDTH)
    assert after.shape[1] == WIDTH
    torch.testing.assert_close(after[:, :shared], before[:, :shared])
    assert (after.argmax(1) < shared).all()
    loaded = load_folder(tmp_path / "padded")
    assert loaded.model.vocab_size == WIDTH
    assert loaded.tokenizer.vocabulary() == load_folder(tmp_path / "drafter").tokenizer.vocabulary()


def test_transformers_accepts_the_copy_and_not_the_original(tmp_path: Path) -> None:
    """What the copy is for. Its text is the target's own."""
    family = tiny_family("llama")
    pad(family.network, family.drafters["narrower"], tmp_path)
    ids = torch.tensor([TEXT[:5]])
    settings: dict[str, Any] = {"max_new_tokens": 12, "do_sample": False, "attention_mask": torch.ones_like(ids)}
    target = AutoModelForCausalLM.from_pretrained(tmp_path / "target")
    own = target.generate(ids, **settings)
    with pytest.raises(ValueError, match="different tokenizers"):
        target.generate(ids, assistant_model=AutoModelForCausalLM.from_pretrained(tmp_path / "drafter"), **settings)
    copy = AutoModelForCausalLM.from_pretrained(tmp_path / "padded")
    assert target.generate(ids, assistant_model=copy, **settings).tolist() == own.tolist()
    sampled = target.generate(ids, assistant_model=copy, **(settings | {"do_sample": True}))
    assert sampled.shape == (1, 17)


def test_rows_of_zeros_would_win_where_all_logits_are_negative(tmp_path: Path) -> None:
    """As in GPT-2. The mean of the rows does not win."""
    drafter = random_network(tiny_config("gpt2", 56), seed=1)
    with torch.no_grad():
        drafter.transformer.ln_f.weight.zero_()
        drafter.transformer.ln_f.bias.zero_()
        drafter.transformer.ln_f.bias[0] = 1.0
        drafter.lm_head.weight[:, 0] = -1.0 - torch.arange(56) / 56
    pad(tiny_family("gpt2").network, drafter, tmp_path)
    after = logits(tmp_path / "padded")
    assert (after < 0).all()  # so a row of zeros, with a logit of 0, had been the likeliest
    assert (after.argmax(1) == 0).all()
    law = after.softmax(1)
    assert law[:, 56:].max() <= law[:, :56].mean()


def test_tied_embeddings(tmp_path: Path) -> None:
    config = tiny_config("qwen2", 56)
    config.tie_word_embeddings = True
    pad(tiny_family("qwen2").network, random_network(config, seed=3), tmp_path)
    after = AutoModelForCausalLM.from_pretrained(tmp_path / "padded")
    assert after.get_input_embeddings().weight.data_ptr() == after.get_output_embeddings().weight.data_ptr()
    assert (logits(tmp_path / "padded").argmax(1) < 56).all()


def test_a_head_with_a_bias_rules_padding_out(tmp_path: Path) -> None:
    shape: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "max_position_embeddings": 64}
    shape |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    drafter = random_network(PhiConfig(vocab_size=56, **shape), seed=2)
    pad(tiny_family("llama").network, drafter, tmp_path)
    after = logits(tmp_path / "padded")
    assert (after.softmax(1)[:, 56:] == 0).all()


def test_bfloat16_stays(tmp_path: Path) -> None:
    family = tiny_family("qwen2")
    folder = save(family.drafters["narrower"], tmp_path / "first")
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    padded = pad(family.network, network, tmp_path)
    assert facts(tmp_path / "padded").dtype == "bfloat16"
    assert padded.equal == padded.num_positions


@pytest.mark.parametrize(
    ("width", "real", "message"),
    [(WIDTH, REAL, "nothing is to be padded"), (70, 66, "ids up to 65, the target 60 rows")],
)
def test_where_a_copy_makes_no_sense(width: int, real: int, message: str, tmp_path: Path) -> None:
    target = save(tiny_family("llama").network, tmp_path / "target")
    drafter = save(random_network(tiny_config("llama", width), seed=1), tmp_path / "d", tiny_tokenizer(words(real)))
    with pytest.raises(DraftlabError, match=message):
        write_padded(facts(target), facts(drafter), tmp_path / "padded", CPU)
    assert not (tmp_path / "padded").exists()


def test_nothing_is_overwritten_and_nothing_half_done_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = tiny_family("llama")
    (tmp_path / "padded").mkdir()
    (tmp_path / "padded" / "mine.txt").write_text("mine")
    with pytest.raises(DraftlabError, match="not empty"):
        pad(family.network, family.drafters["narrower"], tmp_path)
    (tmp_path / "padded" / "mine.txt").unlink()
    monkeypatch.setattr("draftlab.doctor.padding._resize", lambda network, width: None)
    with pytest.raises(DraftlabError, match="another model"):
        pad(family.network, family.drafters["narrower"], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drafter", "padded", "target"]
    assert not list((tmp_path / "padded").iterdir())
