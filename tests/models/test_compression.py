"""Drafters in 8 or 4 bits: other logits, the same texts; chosen by measurement, and refused in one line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from draftlab.engines import form_choice, int4, int8
from draftlab.engines.compression import arrange_linear_layers
from draftlab.engines.int4 import Int4Linear
from draftlab.engines.int8 import Int8Linear
from draftlab.engines.linear_layers import LINEAR, find_linear_layers
from draftlab.engines.packing import PackedLinear
from draftlab.engines.transformers import TransformersModel
from draftlab.errors import DraftlabError, UnsupportedError
from draftlab.models import LoadOptions
from draftlab.spec import Experiment, Sampling
from draftlab.types import Compression
from draftlab.workbench import Workbench
from tests.models.native import MAX_NEW_TOKENS, PROMPTS, STOP, native_texts
from tests.models.running import acceptance_rate, decoder, model_drafter, run
from tests.models.saved import load_folder, save
from tests.models.tiny import Family, tiny_family

X86 = "x86" in torch.backends.quantized.supported_engines
needs_x86 = pytest.mark.skipif(not X86, reason="torch has no x86 kernels on this machine")


def encode(_: str) -> list[int]:
    return [(5 * i + 2) % 40 for i in range(50)]


def compressed(network: Any, dtype: torch.dtype = torch.float32, form: Compression = "int8") -> Any:
    small = copy.deepcopy(network).to(dtype)
    facts = arrange_linear_layers(small, encode, LoadOptions(device="cpu", compress=form), "small")
    assert facts["linear"] == form
    assert 0 < facts["compress_agreement"]["equal"] <= facts["compress_agreement"]["positions"] == 50
    return small


def layers(network: Any) -> set[type]:
    return {type(module) for module in network.modules()} & {*LINEAR, PackedLinear, Int8Linear, Int4Linear}


@needs_x86
@pytest.mark.parametrize("form", ["int8", "int4"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_greedy_texts_are_the_librarys_with_a_compressed_drafter(
    family: Family, dtype: torch.dtype, form: Compression
) -> None:
    small = compressed(family.drafters["narrower"], dtype, form)
    assert layers(small) <= {Int8Linear, Int4Linear} and (form == "int4" or layers(small) == {Int8Linear})
    target = TransformersModel(family.network, family.name)
    subject = decoder(target, model_drafter(target, TransformersModel(small, "small")), 4, stop=STOP)
    runs = [run(subject, prompt, MAX_NEW_TOKENS) for prompt in PROMPTS]
    assert [finished.tokens for finished in runs] == native_texts(family.name)
    assert acceptance_rate(runs) > 0.05, "it is still a drafter of this target"


@needs_x86
@pytest.mark.parametrize("form", ["int8", "int4"])
def test_a_draft_carries_the_q_that_it_was_drawn_from(form: Compression) -> None:
    """Sampled, too: q has to be of the compressed network, whose logits are other ones."""
    family = tiny_family("llama")
    network = compressed(family.network, form=form)
    plain, small = TransformersModel(family.network, "plain"), TransformersModel(network, "small")
    warm = Sampling(temperature=1.0)
    prompt = PROMPTS[7]
    assert not torch.equal(plain.forward(prompt), small.forward(prompt))
    target = TransformersModel(family.network, "target")
    runs = [run(decoder(target, model_drafter(target, small, warm), 4, warm), prompt, 24, seed) for seed in range(20)]
    assert 0.5 < acceptance_rate(runs) < 1.0, "near its own target, and not the same"


@needs_x86
def test_the_weights_are_near_and_each_channel_has_its_own_scale() -> None:
    weight = torch.randn(6, 16) * torch.tensor([1e-3, 1e-2, 0.1, 1.0, 10.0, 0.0])[:, None]
    x = torch.randn(1, 3, 16)
    found = Int8Linear(weight, None)(x)
    expected = torch.nn.functional.linear(x, weight)
    assert (found - expected).abs().amax(dim=(0, 1)).le(0.1 * weight.abs().amax(dim=1) + 1e-9).all()


@needs_x86
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_row_does_not_suffer_from_its_neighbours(has_bias: bool) -> None:
    """The first row of a text is often huge, and the kernel knows one scale for all."""
    torch.manual_seed(0)
    weight, bias = torch.randn(24, 64), torch.randn(24) if has_bias else None
    small = torch.randn(1, 1, 64)
    layer = Int8Linear(weight, bias)
    beside = layer(torch.cat([1000.0 * torch.randn(1, 1, 64), small, 0.0 * small], dim=1))
    expected = torch.nn.functional.linear(small, weight, bias)
    assert (beside[:, 1:2] - expected).abs().max() < 0.5
    assert (layer(small) - expected).abs().max() < 0.5
    torch.testing.assert_close(beside[0, 2], torch.zeros(24) if bias is None else bias, atol=1e-3, rtol=0)


def num_hooks(network: Any) -> int:
    return sum(len(module._forward_pre_hooks) for module in network.modules())


def test_inputs_are_measured_where_they_arrive_and_nothing_stays_behind() -> None:
    network = copy.deepcopy(tiny_family("gpt2").network)
    hooks = num_hooks(network)  # of drafters in other tests that read this network's hidden states
    sites = find_linear_layers(network)
    tokens = torch.tensor([encode("")])
    found = form_choice.mean_squares(sites, lambda: network(input_ids=tokens))
    assert len(found) == len(sites)
    (head,) = (site for site in sites if site.layer is network.lm_head)
    hidden = network.transformer(input_ids=tokens).last_hidden_state
    torch.testing.assert_close(found[head], hidden.detach()[0].square().mean(0))
    assert num_hooks(network) == hooks


class Slow(Int8Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.repeat(1, 400, 1))[:, : x.shape[1]]


class Instant(Int8Linear):
    """Faster than anything that multiplies."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros((*x.shape[:-1], self.out_features))


@needs_x86
@pytest.mark.parametrize(("kind", "chosen"), [(Slow, False), (Instant, True)])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_auto_takes_what_is_faster_and_says_so(
    tmp_path: Path, kind: type[Int8Linear], chosen: bool, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(form_choice, "Int8Linear", kind)
    monkeypatch.setattr(form_choice, "COMPRESSED", ("int8",))
    # Tiny layers take the same time in every form, and a machine with other work any time.
    taken = {"int8": 9 if chosen else 11}
    monkeypatch.setattr(form_choice, "measure", lambda forms, _u, _p: dict.fromkeys(forms, 10) | taken)
    folder = save(tiny_family("llama").network, tmp_path / "small")
    loaded = load_folder(folder, LoadOptions(device="cpu", dtype=dtype, compress="auto", say=said.append))
    facts = loaded.description
    assert (facts["linear"] == "int8") == chosen
    assert set(facts["compress_ns"]) == {"int8", "packed" if "packed" in facts["compress_ns"] else "plain"}
    assert all(isinstance(time, int) for time in facts["compress_ns"].values())
    assert ("compress_agreement" in facts) == chosen
    assert said[-1].startswith(f"drafter {folder}: {facts['linear']} (")


@needs_x86
@pytest.mark.parametrize(
    ("times", "equal", "chosen"),
    [
        ((100, 90, 200), (40, 40), "int8"),
        ((100, 91, 91), (40, 40), None),
        ((100, 200, 200), (40, 40), None),
        ((100, 80, 72), (40, 40), "int4"),
        ((100, 80, 73), (40, 50), "int8"),  # not a tenth
        ((100, 95, 90), (40, 40), "int4"),
        ((100, 80, 40), (40, 39), "int4"),  # as often the same, nearly
        ((100, 80, 40), (40, 31), "int4"),  # saves a half, loses less than a quarter
        ((100, 80, 40), (40, 29), "int8"),
        ((100, 95, 40), (40, 27), None),
    ],
)
def test_auto_wants_a_tenth_and_no_worse_drafts(
    times: tuple[int, int, int], equal: tuple[int, int], chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = copy.deepcopy(tiny_family("qwen2").network)
    forms = ("plain", "int8", "int4")
    found = iter(equal)
    monkeypatch.setattr(
        form_choice, "measure", lambda asked, _u, _p: dict(zip((asked[0], *forms[1:]), times, strict=True))
    )
    monkeypatch.setattr(form_choice, "agreement_of", lambda *_: {"equal": next(found), "positions": 50})
    said: list[str] = []
    options = LoadOptions(device="cpu", compress="auto", say=said.append)
    facts = arrange_linear_layers(network, encode, options, "small")
    assert facts["linear"] == chosen or (chosen is None and facts["linear"] in ("plain", "packed"))
    assert facts.get("compress_agreement") == {
        None: None,
        "int8": {"equal": equal[0], "positions": 50},
        "int4": {"equal": equal[1], "positions": 50},
    }.get(chosen)
    kinds = {"int8": {Int8Linear}, "int4": {Int4Linear, Int8Linear}}  # the head stays in 8 bits
    assert chosen is None or layers(network) == kinds[chosen]
    for agreed in equal:
        assert f"{agreed} of 50 likeliest tokens the same" in said[-1]


@needs_x86
def test_auto_measures_all_forms_on_the_same_pass() -> None:
    network = copy.deepcopy(tiny_family("gemma3").network)
    facts = arrange_linear_layers(network, encode, LoadOptions(device="cpu", compress="auto"), "small")
    assert {"int8", "int4"} < facts["compress_ns"].keys()
    assert all(time > 0 for time in facts["compress_ns"].values())


def test_auto_stays_as_it_is_without_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(int8, "_ENGINE", "z80")
    monkeypatch.setattr(form_choice, "COMPRESSED", ("int8",))
    network = copy.deepcopy(tiny_family("llama").network)
    options = LoadOptions(device="cpu", compress="auto", say=said.append)
    assert arrange_linear_layers(network, encode, options, "small")["linear"] in ("plain", "packed")
    assert "torch has no z80 kernels" in said[-1]


def test_auto_stays_as_it_is_without_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(form_choice.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000}))
    network = copy.deepcopy(tiny_family("llama").network)
    options = LoadOptions(device="cpu", compress="auto", say=said.append)
    assert arrange_linear_layers(network, encode, options, "small")["linear"] in ("plain", "packed")
    if X86:
        assert "no memory" in said[-1]


def test_int8_is_refused_without_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "_ENGINE", "z80")
    network = copy.deepcopy(tiny_family("llama").network)
    with pytest.raises(UnsupportedError, match="cannot be compressed to int8: torch has no z80 kernels"):
        arrange_linear_layers(network, encode, LoadOptions(device="cpu", compress="int8"), "small")


def no_kernel(*_: object) -> Tensor:
    raise NotImplementedError("could not run it\nand a long list of backends")


def test_int4_is_refused_without_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int4, "_pack", no_kernel)
    network = copy.deepcopy(tiny_family("llama").network)
    with pytest.raises(
        UnsupportedError, match=r"cannot be compressed to int4: torch has no kernel .*could not run it\n"
    ):
        arrange_linear_layers(network, encode, LoadOptions(device="cpu", compress="int4"), "small")


def test_off_the_cpu_compression_is_refused_and_auto_does_nothing() -> None:
    said: list[str] = []
    network = copy.deepcopy(tiny_family("llama").network).to("meta")
    for form in ("int8", "int4"):
        with pytest.raises(UnsupportedError, match=f"cannot be compressed to {form}: it is not on the CPU"):
            arrange_linear_layers(network, encode, LoadOptions(compress=form), "small")
    options = LoadOptions(compress="auto", say=said.append)
    assert arrange_linear_layers(network, encode, options, "small") == {"linear": "plain"}
    assert said == ["drafter small: not compressed, since it is not on the CPU"]


def bench(folder: Path, *drafters: str) -> Workbench:
    return Workbench.open(Experiment(target=str(folder), drafters=drafters or ("none",), device="cpu"))


@needs_x86
def test_the_command_line_asks_for_it_and_the_target_stays(tmp_path: Path) -> None:
    folder = save(tiny_family("llama").network, tmp_path / "model")
    subject = bench(folder)
    for compress in ("none", "int8", "int4"):
        subject.drafter(f"model:{folder},compress={compress}")
        subject.drafter(f"model:{folder},compress={compress}")
    found = {name: loaded.description["linear"] for name, loaded in subject.drafter_models.items()}
    assert found.pop(f"{folder},compress=int8") == "int8"
    assert found.pop(f"{folder},compress=int4") == "int4"
    assert found.pop(f"{folder},compress=none") in ("plain", "packed")
    assert not found, "each is loaded once"
    assert subject.target.description["linear"] in ("plain", "packed")


def test_another_word_is_refused(tmp_path: Path) -> None:
    folder = save(tiny_family("llama").network, tmp_path / "model")
    with pytest.raises(DraftlabError, match="compress cannot be 'int3'"):
        bench(folder).drafter(f"model:{folder},compress=int3")


def test_a_toy_has_nothing_to_compress() -> None:
    subject = Workbench.open(Experiment(target="toy", drafters=("none",)))
    subject.drafter("model:toy:0.5")
    for form in ("int8", "int4"):
        with pytest.raises(UnsupportedError, match=f"a toy has no weights that could be compressed to {form}"):
            subject.drafter(f"model:toy:0.5,compress={form}")
