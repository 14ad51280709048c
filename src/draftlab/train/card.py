"""A drafter's card, for people and for the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from draftlab.train.gain import gain
from draftlab.train.held_out import Point
from draftlab.train.settings import TrainSettings

PROVENANCE = "provenance.json"


def card(settings: TrainSettings, data: Mapping[str, Any], curve: Sequence[Point]) -> str:
    """README.md"""
    last = curve[-1]
    rows = "\n".join(
        f"| {point.step} | {point.loss:.3f} | {' '.join(f'{rate:.2f}' for rate in point.accepted)} |" for point in curve
    )
    overlap = data["overlap"]
    positions = len(last.accepted)
    is_head = settings.student == "head"
    drafter = "eagle" if is_head else "model"
    what, shape, ahead = _of_head(settings, data) if is_head else _of_model(settings, data)
    began = _began(data, curve) if "start" in data else ""
    return f"""{_front(data, is_head)}# A drafter for {settings.target}

{what} Made by `draftlab train`; `{PROVENANCE}` has the command, the versions and the
fingerprints of data and weights.

    draftlab bench --target {settings.target} --drafter {drafter}:THIS_FOLDER --gamma {last.gamma}

- It learned from {data["texts"]:,} texts of {data["tokens"]:,} tokens, of which the target wrote
  {data["written_tokens"]:,} (held out: {data["held_out_texts"]:,} texts), with the loss `{settings.loss}`{ahead}.
{began}- {shape}
- Licence of the target, which wrote the texts: {data.get("licence") or "not told by its files"}.
- Windows of {overlap["window"]} tokens that these texts share with prompts of the suites
  {", ".join(overlap["suites"])}: {overlap["shared_windows"]}.
- It drafts worse on texts that are unlike those that it learned from. It can never make a text wrong.

Greedy acceptance on held-out texts, at positions 1 to {positions} of a draft, of those drafts that came so far:

| step | loss | acceptance by position |
| ---: | ---: | :--- |
{rows}
"""


def _began(data: Mapping[str, Any], curve: Sequence[Point]) -> str:
    """Where it did not begin as new."""
    start = data["start"]
    files = ", ".join(f"{name} {digest}" for name, digest in start["files"].items())
    gained = gain(curve, data)
    return (
        f"- It began as `{start['drafter']}`, whose layers and vocabulary it has (sha256: {files}).\n"
        f"- {gained[0].upper()}{gained[1:]}.\n"
    )


def _of_head(settings: TrainSettings, data: Mapping[str, Any]) -> tuple[str, str, str]:
    """(what it is, its shape, what else there is to say of the loss)"""
    return (
        "An EAGLE-3 head (Li et al. 2025, arXiv 2503.01840) of one layer, for speculative decoding of "
        f"`{settings.target}` and of\nnothing else.",
        f"Its head has {data['draft_vocab']:,} tokens; it can propose no others. Their rows are the target's and are\n"
        "  gathered from it when the drafter is loaded. vLLM needs them in the file: where they are not, `draftlab\n"
        "  complete-head` writes a copy that has them.",
        f", up to {settings.steps_ahead} steps ahead",
    )


def _of_model(settings: TrainSettings, data: Mapping[str, Any]) -> tuple[str, str, str]:
    layers = data["layers"]
    origin = "They were new" if data["layers_are_new"] else f"They began as the target's {', '.join(map(str, layers))}"
    share = settings.on_policy
    return (
        f"A causal language model of {len(layers)} layers with the tokenizer of `{settings.target}`, for speculative\n"
        "decoding of it in any engine that takes a draft model.",
        f"It has {len(layers)} of the target's kind of layers. {origin}. Embedding and head are the target's.",
        f"; of {share:.0%} of its batches it wrote the ends itself" if share else "",
    )


def _front(data: Mapping[str, Any], is_head: bool) -> str:
    """What the hub reads. The target made the texts or the weights, so its licence goes with them where it is known."""
    known = {"license": data.get("licence"), "base_model": data.get("base_model")}
    lines = [f"{key}: {value}" for key, value in known.items() if value]
    if not is_head:
        lines.append("library_name: transformers")
    kind = "eagle3" if is_head else "draft-model"
    return "\n".join(["---", *lines, f"tags: [speculative-decoding, {kind}]", "---", "", ""])
