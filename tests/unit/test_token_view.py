"""What the token view says of each token, and what it costs."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from draftlab.records import Detail
from draftlab.report.html.spelling import plain
from draftlab.report.html.token_text import ShownDecode, TokenTexts
from draftlab.report.html.token_view import token_view
from draftlab.report.reading import Run
from tests.unit.handmade import DRAFTED, manifest, prompt, trace
from tests.unit.watched import HOSTILE, TEXT, run, watched


def decodes(shown: Run | None = None) -> list[ShownDecode]:
    return list(TokenTexts(shown or run()).decodes())


def data(shown: Run) -> Any:
    assets = token_view(shown)
    assert assets is not None
    return json.loads(assets.html.partition('id="tv-data">')[2].partition("</script>")[0])


def test_every_token_has_its_origin() -> None:
    tokens = [token for shown in decodes()[0].rounds for token in shown.tokens]
    assert [(token.origin, token.depth) for token in tokens] == [
        ("accepted", 1), ("correction", 0), ("accepted", 1), ("accepted", 2), ("bonus", 0), ("plain", 0),
        ("accepted", 1), ("correction", 0),
    ]  # fmt: skip
    assert [plain(token.pieces) for token in tokens] == [
        " upon", " a", " time", "\n", "⟨e2 80⟩", "—", " midnight", "<end>",
    ]  # fmt: skip
    assert tokens[-1].pieces == ("", "<end>", ""), "a stop token is a mark"


def test_what_was_drafted_and_not_kept_is_there() -> None:
    rests = [[plain(pieces) for pieces in shown.rest] for shown in decodes()[0].rounds]
    assert rests == [[" dreary", " a"], [], [], ["<end>", " dreary"]]


def test_a_draft_that_a_stop_cut_is_among_what_was_not_kept() -> None:
    cut = Detail(arm=DRAFTED.id, prompt_id="a", rounds=(watched((2, 3, 4), 3, (2,)),))
    (shown,) = decodes(run(details=[cut]))[0].rounds
    assert [token.origin for token in shown.tokens] == ["accepted"]
    assert [plain(pieces) for pieces in shown.rest] == [" a", " time"]


def test_a_token_without_bytes_is_named_by_its_number() -> None:
    known = run().token_bytes
    shown = decodes(run(token_bytes={token: spelling for token, spelling in known.items() if token != 4}))[0]
    assert plain(shown.rounds[1].tokens[0].pieces) == "⟨token 4⟩"


def test_the_first_difference_from_the_baseline() -> None:
    first, second = decodes()
    assert first.departure is not None
    assert first.departure.examined is not None
    assert (first.departure.position, first.departure.examined.kind) == (6, "tie")
    assert plain(first.departure.baseline) == " day"
    assert second.is_compared
    assert second.departure is None


def test_an_examination_of_another_text_is_not_told_of_this_one() -> None:
    other = {key: found.model_copy(update={"position": 2}) for key, found in run().examined.items()}
    departure = decodes(run(examined=other))[0].departure
    assert departure is not None
    assert departure.examined is None


def test_a_sampled_text_need_not_be_the_baselines() -> None:
    sampled = run()
    hot = sampled.manifest.sampling.model_copy(update={"temperature": 1.0})
    sampled = replace(sampled, manifest=sampled.manifest.model_copy(update={"sampling": hot}))
    assert not any(shown.is_compared or shown.departure for shown in decodes(sampled))


def test_the_data_is_short_and_whole() -> None:
    found = data(run())
    texts, (first, second) = found["texts"], found["decodes"]
    tokens, rest, num_drafted, accepted, p, q, entropy, overlap, own_p = first["rounds"][0]
    assert [texts[i] for i in tokens] == [" upon", " a"]
    assert [texts[i] for i in rest] == [" dreary", " a"]
    assert (num_drafted, accepted, own_p, found["parts"]) == (3, 1, 7500, 10_000)
    assert (p, q, entropy, overlap) == ([9000, 8000, 7000], [8000, 7000, 6000], [0.5, 1.5, 2.5, 3.5], [2500, 2500])
    assert first["departure"] == {
        "at": 6, "baseline": first["departure"]["baseline"], "kind": "tie", "margin": 0.03, "rounding": 0.06,
    }  # fmt: skip
    assert "departure" not in second


def test_what_is_no_number_is_null() -> None:
    odd = Detail(arm=DRAFTED.id, prompt_id="a", rounds=(watched((2,), 1, (2, 3), p=(float("nan"),)),))
    assert data(run(details=[odd]))["decodes"][0]["rounds"][0][4] == [None]


def test_a_decode_that_failed_says_so() -> None:
    assets = token_view(run(details=[Detail(arm=DRAFTED.id, prompt_id="a", error="Oops: <b>no</b>")]))
    assert assets is not None
    assert "failed: Oops: &lt;b&gt;no&lt;/b&gt;" in assets.html


def test_a_run_without_details_has_no_such_view() -> None:
    assert token_view(run(details=[])) is None


def test_nothing_that_a_model_writes_is_markup() -> None:
    assets = token_view(run())
    assert assets is not None
    assert "<img" not in assets.html
    assert assets.html.count("</script>") == 1
    assert not set("\x1b\u202e") & set(assets.html)
    texts = ["".join(text) for text in data(run())["texts"]]
    assert HOSTILE.replace("\x1b", "␛").replace("\u202e", "⟨RLO⟩") in texts


@pytest.mark.parametrize(("accepted", "most"), [(0, 2_500_000), (1, 1_700_000), (3, 1_200_000)])
def test_a_run_of_a_hundred_prompts_is_small(accepted: int, most: int) -> None:
    chance = random.Random(1)
    words = {token: f" word{token}".encode() for token in range(20_000)}
    details = []
    for number in range(100):
        rounds = []
        for _ in range(128 // (accepted + 1)):
            drafted = tuple(chance.randrange(20_000) for _ in range(5))
            numbers = [tuple(chance.random() for _ in range(n)) for n in (5, 5, 6, 5)]
            emitted = (*drafted[:accepted], chance.randrange(20_000))
            p, q, entropy, overlap = numbers
            rounds.append(watched(drafted, accepted, emitted, p=p, q=q, entropy=entropy, overlap=overlap))
        before = tuple(chance.randrange(20_000) for _ in range(100))
        details.append(Detail(arm=DRAFTED.id, prompt_id=f"p{number}", prompt_tokens=before, rounds=tuple(rounds)))
    made = manifest(prompts=tuple(prompt(f"p{number}") for number in range(100)))
    assets = token_view(run(manifest=made, details=details, token_bytes=words, traces=[trace(DRAFTED, "p0", TEXT)]))
    assert assets is not None
    size = sum(len(part.encode()) for part in (assets.html, assets.css, assets.js))
    assert size < most
