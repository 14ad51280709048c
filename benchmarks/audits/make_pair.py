"""Make a small real pair for the audits, out of one model, without a network.

    python benchmarks/audits/make_pair.py MODEL FOLDER [--bits 4]

MODEL is a folder in the Hugging Face layout. FOLDER gets three models in float32, with the same tokenizer:
`target` is MODEL itself; `drafter` is MODEL with the weights of its linear layers rounded to a few bits (symmetric,
to nearest, one scale per output channel; embeddings and head are left alone); `drafter-padded` is `drafter` with
64 more rows of embedding and head that no token uses, as the Qwen2.5 and Pythia families have. The overlap
sum_x min(p(x), q(x)) of target and drafter, which is the acceptance rate at temperature 1, is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

PADDING = 64
CONTEXTS = (
    "The best thing about this place is",
    "def fibonacci(n):\n    if n",
    "In 1969 the first people",
    "Once upon a time, there was a",
    "My favourite food is",
    "The water cycle describes how",
)


def main() -> None:
    """Write the three models and print the overlaps."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bits", type=int, default=4)
    arguments = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32).eval()
    save(model, tokenizer, arguments.folder / "target")
    contexts = [tokenizer(text, return_tensors="pt").input_ids for text in CONTEXTS]
    target = [next_probabilities(model, context) for context in contexts]

    round_linear_layers(model, arguments.bits)
    save(model, tokenizer, arguments.folder / "drafter")
    drafter = [next_probabilities(model, context) for context in contexts]
    overlaps = [torch.minimum(p, q).sum().item() for p, q in zip(target, drafter, strict=True)]
    for text, overlap in zip(CONTEXTS, overlaps, strict=True):
        print(f"{overlap:.3f}  {text!r}")
    print(f"{sum(overlaps) / len(overlaps):.3f}  mean overlap at {arguments.bits} bits")

    pad_vocabulary(model, PADDING)
    save(model, tokenizer, arguments.folder / "drafter-padded")
    beyond = max(next_probabilities(model, context)[-PADDING:].sum().item() for context in contexts)
    print(f"{beyond:.2g}  most probability that the padded drafter puts on ids without a token")


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a model and its tokenizer in the Hugging Face layout."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@torch.inference_mode()
def next_probabilities(model: PreTrainedModel, context: torch.Tensor) -> torch.Tensor:
    """The distribution of the next token at temperature 1."""
    return model(context).logits[0, -1].double().softmax(-1)


@torch.no_grad()
def round_linear_layers(model: PreTrainedModel, bits: int) -> None:
    """Round the weights of the linear layers, except the head, in place."""
    largest = 2 ** (bits - 1) - 1
    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            scale = module.weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / largest
            module.weight.copy_((module.weight / scale).round().clamp(-largest, largest) * scale)


@torch.no_grad()
def pad_vocabulary(model: PreTrainedModel, rows: int) -> None:
    """Append small random rows to the embedding and the head; the configuration's vocab_size grows with them."""
    old = model.config.vocab_size
    model.resize_token_embeddings(old + rows, mean_resizing=False)
    noise = torch.Generator().manual_seed(0)
    tables = {id(layer.weight): layer.weight for layer in (model.get_input_embeddings(), model.get_output_embeddings())}
    for weight in tables.values():
        weight[old:] = 0.02 * torch.randn(weight[old:].shape, generator=noise)


if __name__ == "__main__":
    main()
