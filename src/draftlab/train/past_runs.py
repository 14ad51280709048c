"""What runs of `draftlab bench` say to training: which target they had, the head that drafted, and their prompts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from draftlab.errors import DraftlabError
from draftlab.records import PromptRecord, RunManifest
from draftlab.spec import DEFAULT_TARGET, Experiment, make_experiment
from draftlab.store import Store
from draftlab.suites import BUILT_IN
from draftlab.train.start import head_in
from draftlab.train.texts import Text, source_of_prompt


def with_runs(runs: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given`, and of the runs what it does not say: the target, its dtype, and the head to begin with.

    The device is this machine's affair, and whether to trust what comes with a model is asked anew.
    """
    manifests = {run: _manifest(run) for run in runs}
    experiments = {run: make_experiment(manifest.settings()) for run, manifest in manifests.items()}
    found: dict[str, Any] = {"runs": tuple(runs), **given}
    if "target" not in found:
        found["target"] = _target(experiments)
        found.setdefault("dtype", next(iter(experiments.values())).dtype)
    if "start_from" not in found and found.get("student", "head") == "head":  # else it is refused by name
        found["start_from"] = _start(experiments)
    return found


def texts_of_runs(runs: Sequence[str], say: Callable[[str], None]) -> list[Text]:
    """Every prompt once, as it was given; those of the built-in suites are left out, as drafters are judged by them."""
    found: dict[str, Text] = {}
    left_out: dict[str, Text] = {}
    for run in runs:
        for prompt in _manifest(run).prompts:
            text = _text(prompt)
            # By its words: one that stands twice must not be learned from under one id and held out under another.
            (left_out if prompt.suite in BUILT_IN else found).setdefault(text.text, text)
    if left_out:
        names = ", ".join(sorted({text.kind for text in left_out.values()}))
        what = f"{len(left_out)} prompts of {', '.join(runs)} are of the built-in suites ({names})"
        if not found:
            raise DraftlabError(
                f"all {what}, which judge drafters and teach none",
                "Measure prompts of your own: draftlab bench --suite FILE.jsonl.",
            )
        say(f"{what}, which judge drafters and teach none: left out")
    return list(found.values())


def _text(prompt: PromptRecord) -> Text:
    # The run's folder is no part of the source: what one run holds out is held out of the next one of the same suite.
    words = prompt.prompt if prompt.messages is None else json.dumps(prompt.messages, ensure_ascii=False)
    return Text(
        source_of_prompt(prompt.suite, prompt.id), words or "", prompt.suite, is_prompt=True, messages=prompt.messages
    )


def _manifest(run: str) -> RunManifest:
    return Store.open(Path(run)).manifest()


def _target(experiments: Mapping[str, Experiment]) -> str:
    for run, experiment in experiments.items():
        if experiment.engine == "endpoint" and experiment.target == DEFAULT_TARGET:
            raise DraftlabError(f"{run} was decoded by a server, and does not say from which files", "Give --target.")
    targets = {experiment.target: run for run, experiment in experiments.items()}
    if len(targets) > 1:
        shown = ", ".join(f"{target} ({run})" for target, run in targets.items())
        raise DraftlabError(f"the runs have several targets: {shown}", "Name runs of one target, or give --target.")
    return next(iter(targets))


def _start(experiments: Mapping[str, Experiment]) -> str:
    drafters = list(dict.fromkeys(drafter for each in experiments.values() for drafter in each.drafters))
    heads = list(dict.fromkeys(head for drafter in drafters if (head := head_in(drafter))))
    if not heads:
        raise DraftlabError(
            f"none of the drafters of {', '.join(experiments)} is a head that could learn on: {', '.join(drafters)}",
            "Name one with --start-from eagle:HEAD.",
        )
    if len(heads) > 1:
        raise DraftlabError(
            f"several heads have drafted in {', '.join(experiments)}: {', '.join(heads)}",
            f"Name one of them: --start-from eagle:{heads[0]}.",
        )
    return f"eagle:{heads[0]}"
