"""Every lossless rule x drafter x sampling x gamma x stop: the law of whole texts is the target's, exactly."""

from __future__ import annotations

import pytest

from draftlab.drafters import DRAFTERS
from draftlab.rules import RULES
from draftlab.testing import law_of_decoding, total_variation
from tests.laws.toys import PROMPT, SAMPLINGS, STOP, WIDTHS, build, decoder, oracle

LOSSLESS = [name for name in RULES.names() if RULES.load(name).lossless]


@pytest.mark.parametrize("stop", [STOP, frozenset()], ids=["stop", "no-stop"])
@pytest.mark.parametrize("gamma", [0, 1, 2, 3])
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("drafter", DRAFTERS.names())
@pytest.mark.parametrize("rule", LOSSLESS)
def test_the_law_of_the_text_is_the_targets(
    rule: str, drafter: str, sampling: str, gamma: int, stop: frozenset[int]
) -> None:
    settings = SAMPLINGS[sampling]
    num_tokens = 4 if stop else 3  # without a stop the tree of texts is widest
    subject = decoder(build(drafter, settings), settings, gamma, rule=rule, stop=stop)
    law = law_of_decoding(subject, PROMPT, num_tokens)
    assert total_variation(law, oracle(settings, num_tokens, stop=stop)) < 1e-9


@pytest.mark.parametrize("widths", ["target-padded", "drafter-padded"])
@pytest.mark.parametrize("gamma", [1, 2])
@pytest.mark.parametrize("sampling", ["greedy", "t1", "t.7-k2", "t1-penalty"])
@pytest.mark.parametrize("rule", LOSSLESS)
def test_so_it_is_where_the_vocabularies_are_padded_differently(
    rule: str, sampling: str, gamma: int, widths: str
) -> None:
    settings, sizes = SAMPLINGS[sampling], WIDTHS[widths]
    subject = decoder(build("model", settings, sizes), settings, gamma, rule=rule, widths=sizes)
    law = law_of_decoding(subject, PROMPT, 3)
    assert total_variation(law, oracle(settings, 3, widths=sizes)) < 1e-9
