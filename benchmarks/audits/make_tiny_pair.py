"""Make a pair of tiny random Llamas for the audits: six tokens, one layer, a tokenizer of six letters.

    python benchmarks/audits/make_tiny_pair.py FOLDER

An implementation's rule knows nothing of the size of the models. With six tokens the law of three tokens has 216
outcomes, all of which thousands of samples visit, and a sample takes milliseconds instead of a second. FOLDER gets
`target`, `drafter` (the target's weights plus noise) and `drafter-padded` (with two more rows of embedding and head,
which no token uses). The overlap sum_x min(p(x), q(x)) at temperature 1 is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

LETTERS = "abcdef"
PADDING = 2
SPREAD = 0.35  # of the weights
NOISE = 0.7  # of the drafter, in units of SPREAD
CONTEXT = "bec"


def main() -> None:
    """Write the three models and print the overlap."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder

    target, drafter, padded = random_model(1, 0), random_model(2, 0), random_model(2, PADDING)
    with torch.no_grad():
        for weight, base in zip(drafter.parameters(), target.parameters(), strict=True):
            weight.copy_(base if weight.dim() == 1 else base + NOISE * weight)
        for weight, base in zip(padded.parameters(), drafter.parameters(), strict=True):
            weight[: len(base)] = base

    tokenizer = letter_tokenizer()
    for name, model in {"target": target, "drafter": drafter, "drafter-padded": padded}.items():
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    p, q = next_probabilities(target, tokenizer), next_probabilities(drafter, tokenizer)
    print(f"target {p.tolist()}\ndrafter {q.tolist()}\n{torch.minimum(p, q).sum().item():.3f}  overlap after {CONTEXT}")


def random_model(seed: int, padding: int) -> LlamaForCausalLM:
    """A Llama of one layer whose matrices are normal; rows that no token uses are small."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(LETTERS) + padding,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = LlamaForCausalLM(config).float().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, SPREAD)
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            layer.weight[len(LETTERS) :] *= 0.1
    return model


def letter_tokenizer() -> PreTrainedTokenizerFast:
    """One token for each letter."""
    words = Tokenizer(WordLevel({letter: index for index, letter in enumerate(LETTERS)}, unk_token=LETTERS[0]))
    words.pre_tokenizer = Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=words)


@torch.inference_mode()
def next_probabilities(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """The distribution after the context at temperature 1."""
    ids = tokenizer(CONTEXT, return_tensors="pt").input_ids
    return model(ids).logits[0, -1].double().softmax(-1).round(decimals=4)


if __name__ == "__main__":
    main()
