"""What was replayed, priced: every drafter with every policy and draft length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from draftlab.records import Replay
from draftlab.tune.costs import Price
from draftlab.tune.oracle import Place, least_ns
from draftlab.tune.policies import Subject
from draftlab.tune.ranking import Candidate
from draftlab.tune.replay import Replayed, Visit
from draftlab.tune.texts import Text


@dataclass(frozen=True)
class Replays:
    """Texts with what was replayed along them, and what rounds cost."""

    texts: Sequence[Text]
    replayed: Sequence[Replayed]
    prices: Mapping[str, Price]
    places: Sequence[Mapping[str, Sequence[Place]]] = ()
    """Along each text, what the longest draft at every place would come to, by drafter."""

    def among(self, prompt_ids: Collection[str]) -> Replays:
        """Those along the texts of some prompts, without their places."""
        some = [i for i, text in enumerate(self.texts) if text.prompt_id in prompt_ids]
        return Replays([self.texts[i] for i in some], [self.replayed[i] for i in some], self.prices)

    def plain_ns(self) -> list[float]:
        """What plain decoding of each text costs; its passes are the same whoever else drafts."""
        price = next(iter(self.prices.values()))
        return [sum(price.plain_ns(len(text.prompt) + i) for i in range(len(text.tokens))) for text in self.texts]

    def candidates(self, subjects: Sequence[Subject]) -> list[Candidate]:
        """All of them; gamma 0 is plain decoding and no candidate."""
        return [
            self._candidate(subject, policy.name, gamma)
            for subject in subjects
            for policy in subject.policies
            for gamma in range(1, len(self.replayed[0][subject.reference, policy.name]))
        ]

    def oracle_ns(self, drafter: str) -> list[float]:
        """The least that each text can cost, whatever the policy."""
        round_ns = self.prices[drafter].round_ns
        return [
            least_ns(places[drafter], round_ns, len(text.prompt))
            for text, places in zip(self.texts, self.places, strict=True)
        ]

    def records(self) -> Iterator[Replay]:
        """The rounds as they are stored."""
        for text, mine in zip(self.texts, self.replayed, strict=True):
            for (drafter, policy), rounds in mine.items():
                yield Replay(
                    drafter=drafter,
                    policy=policy,
                    prompt_id=text.prompt_id,
                    tokens=len(text.tokens),
                    rounds=tuple(_sum(visits, lambda visit: 1) for visits in rounds),
                    drafted=tuple(_sum(visits, lambda visit: visit.drafted) for visits in rounds),
                    accepted=tuple(_sum(visits, lambda visit: visit.accepted) for visits in rounds),
                )

    def _candidate(self, subject: Subject, policy: str, gamma: int) -> Candidate:
        price = self.prices[subject.reference]
        rounds = [mine[subject.reference, policy][gamma] for mine in self.replayed]
        watching = 0.0 if policy == "fixed" else price.watching_ns
        rejected = [_sum(visits, lambda visit: visit.accepted < visit.drafted) for visits in rounds]
        accepted = [_sum(visits, lambda visit: visit.accepted) for visits in rounds]
        return Candidate(
            base=subject.reference,
            policy=policy,
            gamma=gamma,
            ns=tuple(_cost(visits, text, price, watching) for visits, text in zip(rounds, self.texts, strict=True)),
            rounds=tuple(_sum(visits, lambda visit: 1) for visits in rounds),
            drafted=tuple(_sum(visits, lambda visit: visit.drafted) for visits in rounds),
            accepted=tuple(accepted),
            judged=tuple(a + r for a, r in zip(accepted, rejected, strict=True)),
        )


def _sum(visits: Sequence[Visit], what: Callable[[Visit], int]) -> float:
    """Weighed; a whole number where it is one."""
    total = sum(visit.weight * what(visit) for visit in visits)
    return int(total) if total == int(total) else total


def _cost(visits: Sequence[Visit], text: Text, price: Price, watching_ns: float = 0.0) -> float:
    """Where chance decides, what comes of a place does not depend on how it was reached: a share of it catches up."""
    reached: dict[int, float] = defaultdict(float)
    in_full: dict[int, float] = defaultdict(float)
    for visit in visits:
        reached[visit.start] += visit.weight
        if 0 < visit.drafted == visit.accepted:
            in_full[visit.start + visit.accepted + 1] += visit.weight
    start, total = len(text.prompt), 0.0
    for visit in visits:
        late = price.catch_up * in_full[visit.start] / reached[visit.start] if visit.drafted else 0.0
        total += visit.weight * (
            price.round_ns(visit.drafted, start + visit.start) + late + watching_ns * visit.drafted
        )
    return total
