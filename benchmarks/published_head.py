"""Do published EAGLE-3 configurations load and keep the drafter's contract? At their full size, with random weights.

    python -m benchmarks.published_head                            # in a clone of draftlab; no download, no GPU
    python -m benchmarks.published_head --only qwen3-4b-eagle3 --folder /a/large/disk

The configurations lie in published/. qwen3-4b-eagle3 is, word for word, configs/qwen3-4b-eagle3.json of SpecForge
(sgl-project/SpecForge); eagle3-llama3.1-instruct-8b has the keys and numbers that the authors of EAGLE-3 publish with
yuhuili/EAGLE3-LLaMA3.1-Instruct-8B. The files that are written have the tensors of a published one, in its names and
shapes, d2t and t2d with them; the target has the width, the vocabulary and the build of the real one, and three layers.

For each: the head is loaded as `eagle:FOLDER` beside its target, in exact mode, as the command line would; the public
kit lists all texts of three tokens, greedy and sampled; two texts are decoded greedily and sampled and held against
plain decoding. One line a check; the exit status is 1 where one failed. One configuration is there at a time: about
8 GB of memory and 5 GB of disk, and some minutes.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from safetensors.torch import save_file
from tests.models.eagle import eagle_tensors, save_eagle
from tests.models.saved import sentence, tiny_tokenizer, words
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from draftlab.chance import make_chance
from draftlab.drafters.reference import build_drafter, parse_drafter
from draftlab.events import Committed
from draftlab.spec import Sampling, make_experiment
from draftlab.testing import check_drafter
from draftlab.types import Drafter
from draftlab.workbench import Workbench

Config = dict[str, Any]

PUBLISHED = Path(__file__).with_name("published")
GAMMA = 2
NEW_TOKENS = 24
# Probabilities are made of 16-bit logits in float32; a q that is not what was drawn is off by far more.
_TOLERANCE = 1e-6
# Where a head reads what enters and leaves the first two layers: the usual choice of 2, half of them and three before
# the last is three different ones only from seven layers on, and of three.
_NUM_LAYERS = 3
# In random networks no token is likelier than the others, so that a draft would never be right. These few are: all but
# 1 and 2 are the head's, too, and 2 ends a text of the kit.
_LIKELY = (0, 1, 2, 4, 8, 12)
_LIKELY_SCALE, _OTHER_SCALE = 2.0, 0.02
_PROMPTS = ([4, 0, 8, 1, 12, 2], [8, 8, 4])
_SAMPLED = Sampling(temperature=1.0, top_k=3)

_QWEN3 = {
    "model_type": "qwen3",
    "head_dim": 128,  # so that its heads together are wider than its hidden states
    "tie_word_embeddings": True,
    "rope_theta": 1000000,
}
_LLAMA31 = {"model_type": "llama", "tie_word_embeddings": False, "rope_theta": 500000.0}
_TARGETS: dict[str, Config] = {"qwen3-4b-eagle3": _QWEN3, "eagle3-llama3.1-instruct-8b": _LLAMA31}
_SHARED = (
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "rms_norm_eps",
    "vocab_size",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    finding: str
    passed: bool = True


def main() -> int:
    """Check, print, clean up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(_TARGETS), help="one configuration")
    parser.add_argument("--folder", help="where the files are written for as long as they are needed")
    asked = parser.parse_args()
    start = monotonic()
    failed = 0
    for name in [asked.only] if asked.only else sorted(_TARGETS):
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            for found in checks(head_config(name), target_config(name), Path(folder), gammas=(GAMMA,)):
                failed += not found.passed
                print(f"{name}: {'ok' if found.passed else 'FAILED'}: {found.what}: {found.finding}", flush=True)
        gc.collect()  # networks hold themselves in circles, and the next one needs their room
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{monotonic() - start:.0f} s, at most {most / 1e9:.1f} GB of memory")
    return 1 if failed else 0


def head_config(name: str) -> Config:
    """A configuration as it is published."""
    config: Config = json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    return config


def target_config(name: str) -> Config:
    """Of a target that a head of that name fits."""
    head = head_config(name)
    return {
        **{key: head[key] for key in _SHARED},
        "num_hidden_layers": _NUM_LAYERS,
        "max_position_embeddings": 2048,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
        "dtype": "bfloat16",
        **_TARGETS[name],
    }


def checks(head: Config, target: Config, folder: Path, gammas: Sequence[int] = (1, 2, 3)) -> Iterator[Check]:
    """Write both into `folder`, load them and look."""
    yield _written("head", write_head(folder / "head", head))
    gc.collect()
    yield _written("target", write_target(folder / "target", target))
    gc.collect()
    drafter = f"eagle:{folder / 'head'},compress=none"
    settings = {"target": str(folder / "target"), "drafters": (drafter,), "ignore_eos": True}
    bench = Workbench.open(make_experiment({**settings, "gammas": (max(gammas),), "exact": True, "device": "cpu"}))
    try:
        yield from _checks_of(bench, drafter, head, gammas)
    finally:
        bench.close()


def _checks_of(bench: Workbench, drafter: str, head: Config, gammas: Sequence[int]) -> Iterator[Check]:
    built: Any = bench.drafter(drafter)
    network = built.network
    read = [
        len(network.embedding), network.lm_head.out_features, network.norm.weight.numel(),
        network.midlayer.self_attn.o_proj.in_features, network.midlayer.mlp.gate_proj.out_features,
    ]  # fmt: skip
    dim = head.get("head_dim") or head["hidden_size"] // head["num_attention_heads"]
    said = [
        head["vocab_size"], head["draft_vocab_size"], head["hidden_size"], dim * head["num_attention_heads"],
        head["intermediate_size"],
    ]  # fmt: skip
    form = bench.drafter_tensors[drafter.removeprefix("eagle:")].description["linear"]
    shapes = "vocabulary {:,}, drafted {:,}, width {:,}, attention {:,}, inner width {:,}".format(*read)
    yield Check("loaded as eagle:FOLDER", f"{shapes}; hidden states after {built.layers} layers; {form}", read == said)
    del built, network

    def build_for(sampling: Sampling) -> Any:
        return replace(bench, sampling=sampling).context

    reference = parse_drafter(drafter)
    yield _conforms(lambda context: build_drafter(reference, context), build_for, gammas)
    gc.collect()
    yield from _texts(bench, drafter, max(gammas))


def _conforms(build: Callable[[Any], Drafter], context_for: Callable[[Sampling], Any], gammas: Sequence[int]) -> Check:
    what = "draftlab.testing.check_drafter"
    try:
        check_drafter(build, context_for, gammas=gammas, tolerance=_TOLERANCE)
    except AssertionError as error:
        return Check(what, str(error), passed=False)
    return Check(what, f"the law is the target's, greedy and sampled, gamma {', '.join(map(str, gammas))}")


def _texts(bench: Workbench, drafter: str, gamma: int) -> Iterator[Check]:
    """Greedy, and sampled by the rule whose text is plain decoding's with the same seed."""
    num_drafted = num_accepted = 0
    for way, sampling, rule in (("greedy", Sampling(), "rejection"), ("sampled", _SAMPLED, "coupled")):
        experiment = bench.experiment.model_copy(update={"rule": rule})
        now = replace(bench, experiment=experiment, sampling=sampling)
        built = now.drafter(drafter)
        for number, prompt in enumerate(_PROMPTS, start=1):
            tokens = now.target.tokenizer.encode(sentence(prompt))
            plain, _, _ = _decoded(now, now.drafter("none"), 0, tokens)
            text, drafted, accepted = _decoded(now, built, gamma, tokens)
            num_drafted, num_accepted = num_drafted + drafted, num_accepted + accepted
            finding = f"{len(text)} tokens, {accepted} of {drafted} drafted ones accepted; plain decoding's text"
            is_same = text == plain and len(text) == NEW_TOKENS
            yield Check(f"{way} text {number}", finding if is_same else f"{text} is not {plain}", is_same)
    # Were it all or none, the texts above would show little.
    finding = f"{num_accepted} of {num_drafted} drafted tokens"
    yield Check("some accepted, some not", finding, 0 < num_accepted < num_drafted)


def _decoded(bench: Workbench, drafter: Drafter, gamma: int, tokens: list[int]) -> tuple[list[int], int, int]:
    decoder = bench.decoder(drafter, gamma)
    chance = make_chance(7, decoder.rule.coupled)
    events = decoder.decode(tokens, max_new_tokens=NEW_TOKENS, chance=chance)
    rounds = [event.outcome for event in events if isinstance(event, Committed)]
    text = [token for each in rounds for token in each.emitted]
    return text, sum(each.num_drafted for each in rounds), sum(each.num_accepted for each in rounds)


def write_head(folder: Path, config: Config) -> int:
    """A head of these shapes; its parameters."""
    tensors = eagle_tensors(config)
    ids = torch.arange(config["draft_vocab_size"]) + tensors["d2t"]
    _prefer(tensors["lm_head.weight"], [at for at, token in enumerate(ids.tolist()) if token in _LIKELY])
    weights = {name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors.items()}
    save_eagle(folder, config, weights)
    return _num_parameters(weights)


def write_target(folder: Path, config: Config) -> int:
    """A random target, in the files of an ordinary model folder; its parameters."""
    built = AutoConfig.for_model(**config)
    with torch.device("meta"):  # for the names and shapes alone: its own way to make weights is in float32
        network = AutoModelForCausalLM.from_config(built)
    chance = torch.Generator().manual_seed(1)
    weights = {}
    for name, parameter in network.named_parameters():
        weight = torch.ones(parameter.shape, dtype=torch.bfloat16)
        if parameter.ndim == 2:
            weight.normal_(0.0, parameter.shape[1] ** -0.5, generator=chance)
        if parameter is network.get_output_embeddings().weight:
            _prefer(weight, _LIKELY)
        weights[name] = weight
    folder.mkdir()
    built.save_pretrained(folder)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    tiny_tokenizer(words(config["vocab_size"])).save_pretrained(folder)
    return _num_parameters(weights)


def _prefer(head: Tensor, rows: Sequence[int]) -> None:
    """Make the logits of some tokens large beside those of all others."""
    kept = head[list(rows)] * _LIKELY_SCALE
    head *= _OTHER_SCALE
    head[list(rows)] = kept


def _num_parameters(tensors: dict[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values() if tensor.is_floating_point())


def _written(what: str, num_parameters: int) -> Check:
    return Check(f"{what} written", f"{num_parameters / 1e6:,.1f} million parameters in bfloat16")


if __name__ == "__main__":
    sys.exit(main())
