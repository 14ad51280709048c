"""What a token adds to a text, in bytes."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from draftlab.engines.tokenizer import HuggingFaceTokenizer, bytes_of_spelling

TEXTS = ["def f(x):\n    return x\n", "naïve café — “quoted”", "日本語 и русский", "👩‍🚀 and 🦜\tend", "\x1b[31m\x00"]


@pytest.fixture(scope="module")
def byte_level() -> HuggingFaceTokenizer:
    """A real byte-level BPE as GPT-2, Qwen2.5 and SmolLM2 have, trained on a few lines."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS[:2], trainer)
    return HuggingFaceTokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>"), "bpe")


@pytest.mark.parametrize("text", TEXTS)
def test_the_bytes_of_all_tokens_are_the_text(byte_level: HuggingFaceTokenizer, text: str) -> None:
    tokens = byte_level.encode(text)
    assert b"".join(map(byte_level.bytes_of, tokens)) == text.encode()


def test_a_character_is_spread_over_tokens(byte_level: HuggingFaceTokenizer) -> None:
    pieces = [byte_level.bytes_of(token) for token in byte_level.encode("🦜")]
    assert len(pieces) > 1
    assert b"".join(pieces).decode() == "🦜"


def test_a_special_token_is_spelled_out(byte_level: HuggingFaceTokenizer) -> None:
    assert byte_level.bytes_of(byte_level.encode("<|end|>")[0]) == b"<|end|>"


def test_an_id_that_stands_for_nothing_adds_nothing(byte_level: HuggingFaceTokenizer) -> None:
    assert byte_level.bytes_of(10_000) == b""


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [("▁the", b" the"), ("<0xE2>", b"\xe2"), ("é", "é".encode()), ("Ġthe", "Ġthe".encode())],
)
def test_spellings_of_sentencepiece(spelled: str, expected: bytes) -> None:
    assert bytes_of_spelling(spelled, byte_level=False) == expected
