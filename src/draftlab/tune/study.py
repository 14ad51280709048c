"""What is decoded, replayed and timed; the rest is arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from draftlab.bench.plan import PreparedPrompt
from draftlab.build import prepare_prompts
from draftlab.chance import derive_seed
from draftlab.drafters.none import NoDrafter
from draftlab.errors import DraftlabError
from draftlab.sampling import Warper
from draftlab.suites import Suite
from draftlab.tune.costs import Price, measure_costs
from draftlab.tune.oracle import Place, own_places, places_of
from draftlab.tune.path import follow, odds_of
from draftlab.tune.policies import FIXED, Subject, open_subject
from draftlab.tune.progress import Progress
from draftlab.tune.replay import Replayed, replay, replay_own
from draftlab.tune.texts import Text, take_text, write_text
from draftlab.workbench import Workbench


@dataclass
class Study:
    """A loaded target with the drafters under study; remembers what it has replayed, in the order of the prompts."""

    bench: Workbench
    subjects: Sequence[Subject]
    max_gamma: int
    progress: Progress

    @classmethod
    def open(cls, bench: Workbench, max_gamma: int, progress: Progress) -> Study:
        """Load every drafter of the experiment."""
        if not bench.rule.lossless:
            raise DraftlabError(
                f"the rule {bench.experiment.rule} does not keep the target's texts, along which rounds are replayed",
                "Tune with --rule rejection, and without --from where the run has this rule.",
            )
        found: dict[str, Subject] = {}
        for text in bench.experiment.drafters:
            subject = open_subject(bench, text)
            before = found.get(subject.reference, subject)
            policies = tuple(dict.fromkeys((*before.policies, *subject.policies)))
            found[subject.reference] = replace(subject, policies=policies)
        return cls(bench, list(found.values()), max_gamma, progress)

    @property
    def is_drawn(self) -> bool:
        """Whether tokens are drawn with chance of their own, so that only expectations can be replayed."""
        return self.bench.sampling.temperature > 0.0 and not self.bench.rule.coupled

    def texts(self, suites: Sequence[Suite], known: Mapping[str, Sequence[int]] | None = None) -> list[Text]:
        """What the target writes after the prompts of `suites`; `known` are those that it wrote before, by prompt."""
        prompts = prepare_prompts(self.bench, suites)
        plain = self.bench.decoder(NoDrafter(), 0)
        if known is not None:
            prompts = [prompt for prompt in prompts if prompt.record.id in known]
        self.progress.begins("plain texts", len(prompts))
        found = []
        for prompt in prompts:
            asked, identity = prompt.record.max_new_tokens, prompt.record.id
            seed = derive_seed(self.bench.experiment.seed, identity, 0)  # that of a bench's first repetition
            if known is None:
                text = write_text(plain, identity, prompt.tokens, asked, seed, self.max_gamma)
            else:
                tokens = known[identity]
                text = take_text(plain, identity, prompt.tokens, asked, seed, self.max_gamma, tokens)
            found.append(text)
            self.progress.advances()
        return found

    def replay(self, texts: Sequence[Text]) -> tuple[list[Replayed], list[dict[str, list[Place]]]]:
        """Along each text, the rounds of every drafter, policy and gamma, and what drafts come to at every place."""
        self.progress.begins("replaying drafters", len(texts) * len(self.subjects))
        found: list[Replayed] = [{} for _ in texts]
        places: list[dict[str, list[Place]]] = [{} for _ in texts]
        target = self.bench.target.model
        warp = Warper(self.bench.sampling, target.name)
        odds = [odds_of(target, warp, text) if self.is_drawn else None for text in texts]
        for subject in self.subjects:
            drafter = subject.model_drafter
            for text, mine, there, p in zip(texts, found, places, odds, strict=True):
                if drafter is None:
                    rounds = [replay_own(subject.drafter, text, g, is_drawn=self.is_drawn) for g in self._gammas()]
                    mine[subject.reference, "fixed"] = rounds
                    there[subject.reference] = own_places(subject.drafter, text, self.max_gamma)
                else:
                    path = follow(drafter, text, p, self.bench.rule.coupled)
                    there[subject.reference] = places_of(path, text, self.max_gamma)
                    for policy in dict.fromkeys((FIXED, *subject.policies)):
                        rounds = [replay(path, text, g, policy) for g in self._gammas()]
                        mine[subject.reference, policy.name] = rounds
                self.progress.advances()
        return found, places

    def prices(self, prompts: Sequence[PreparedPrompt], budget_s: float) -> dict[str, Price]:
        """What rounds cost, measured along some prompts."""
        return measure_costs(self.bench, self.subjects, prompts, self.max_gamma, budget_s, self.progress)

    def _gammas(self) -> range:
        return range(self.max_gamma + 1)
