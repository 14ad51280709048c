"""An experiment on servers, resolved and checked: which models they serve, what every request says, which arms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from draftlab.bench.clock import WallClock
from draftlab.bench.plan import PreparedArm, PreparedBench, PreparedPrompt
from draftlab.endpoint.client import Client, Patience
from draftlab.errors import DraftlabError
from draftlab.records import Arm, PromptRecord
from draftlab.serving.arm import Duty, ServedArm
from draftlab.serving.in_turn import NUM_BLOCKS, InTurn
from draftlab.serving.started import Address, ServerName, Started
from draftlab.spec import Experiment, Sampling
from draftlab.suites import Suite, load_suites

_NEW_TOKENS = 128
_PROOFS = 8
_OURS = (
    "target", "drafters", "gammas", "rule", "exact", "dtype", "device", "phases", "detail", "until",
    "trust_remote_code", "allow_pickle",
)  # fmt: skip
"""Settings that only our own engine has."""

Report = Callable[[str], None]


@contextmanager
def serve_bench(
    experiment: Experiment,
    say: Report = lambda _: None,
    patience: Patience | None = None,
    on: Started | None = None,
) -> Iterator[PreparedBench]:
    """A bench on the servers that the experiment names, or `on` others; connections are closed in the end."""
    at = addresses(experiment, on)
    suites, prompts = suites_and_prompts(experiment)
    with ExitStack() as open_clients:

        def server(url: str, duty: Duty) -> ServedArm:
            client = open_clients.enter_context(Client(url, patience=patience))
            model = client.choose_model(experiment.model)
            settings = request_settings(experiment, on)
            return ServedArm(client, model, duty, settings, sampled=bool(experiment.temperature))

        def warm_plain(url: str) -> ServedArm:
            plain = server(url, "plain")
            first = prompts[0].record
            plain(first, first.max_new_tokens, experiment.seed)
            return plain

        def proven(url: str) -> ServedArm:
            speculative = server(url, "speculative")
            _prove(speculative, None, prompts, experiment.seed, say)
            return speculative

        servers: list[ServedArm] | list[InTurn]
        if on is not None and on.in_turn:
            servers = [InTurn(at["plain"], warm_plain), InTurn(at["speculative"], proven)]
        elif "plain" not in at:
            say("one server: it is measured as it is; for a speed-up name a plain one with --plain-url")
            servers = [server(at["speculative"]().url, "either")]
        else:
            servers = [server(at["plain"]().url, "plain"), server(at["speculative"]().url, "speculative")]
            _prove(servers[1], servers[0], prompts, experiment.seed, say)
        yield _bench(experiment, servers, prompts, suites, on)


def addresses(experiment: Experiment, on: Started | None) -> dict[ServerName, Callable[[], Address]]:
    """How to come to the server that speculates, and to the plain one where there is one."""
    if on is not None:
        return {"plain": partial(on.open, "plain"), "speculative": partial(on.open, "speculative")}
    _refuse_what_is_ours(experiment)
    if experiment.url is None:
        raise DraftlabError(
            "--engine endpoint does not know which server", "Name it with --url, as http://127.0.0.1:8000/v1."
        )
    named: dict[ServerName, str | None] = {"plain": experiment.plain_url, "speculative": experiment.url}
    return {name: partial(Address, url) for name, url in named.items() if url is not None}


def _refuse_what_is_ours(experiment: Experiment) -> None:
    given = [name for name in _OURS if name in experiment.model_fields_set]
    if given:
        flag = {"drafters": "drafter", "gammas": "gamma"}.get(given[0], given[0]).replace("_", "-")
        raise DraftlabError(
            f"--{flag} is for draftlab's own engine: a server that is asked over HTTP was started with its own",
            "Leave it out, or leave --engine out.",
        )


def request_settings(experiment: Experiment, on: Started | None) -> dict[str, Any]:
    """What every request says; the last four are no part of OpenAI's protocol, and only there where asked for."""
    given: dict[str, Any] = {"temperature": experiment.temperature or 0.0, **(on.requests if on else {})}
    given |= {
        name: value
        for name in ("top_p", "top_k", "min_p", "repetition_penalty")
        if (value := getattr(experiment, name)) is not None
    }
    if experiment.stop_strings:
        given["stop"] = list(experiment.stop_strings)
    if experiment.ignore_eos:
        given["ignore_eos"] = True
    return given


def suites_and_prompts(experiment: Experiment) -> tuple[list[Suite], list[PreparedPrompt]]:
    """What is asked, in order."""
    suites = load_suites(experiment.suites, experiment.limit)
    return suites, [_prompt(experiment, suite, prompt) for suite in suites for prompt in suite.prompts]


def _prompt(experiment: Experiment, suite: Suite, prompt: Any) -> PreparedPrompt:
    asked = experiment.max_new_tokens or prompt.max_new_tokens or _NEW_TOKENS
    record = PromptRecord(
        suite=suite.name, num_tokens=None, max_new_tokens=asked, **prompt.model_dump(exclude={"max_new_tokens"})
    )
    return PreparedPrompt(record, (), capacity=0)


def _prove(
    server: ServedArm, plain: ServedArm | None, prompts: Sequence[PreparedPrompt], seed: int, say: Report
) -> None:
    """Ask until something was drafted: a server goes on plainly where speculation could not be started.

    A plain server that is up beside it is asked the same, so that what both keep of prompts is alike.
    """
    say("asking the server until it has drafted something")
    for prompt in prompts[:_PROOFS]:
        if plain is not None:
            plain(prompt.record, prompt.record.max_new_tokens, seed)
        try:
            server(prompt.record, prompt.record.max_new_tokens, seed)
        except DraftlabError as error:
            last = error
        if server.has_drafted:
            return
    raise last


def _bench(
    experiment: Experiment,
    servers: Sequence[ServedArm | InTurn],
    prompts: Sequence[PreparedPrompt],
    suites: Sequence[Suite],
    on: Started | None,
) -> PreparedBench:
    target, served = servers[0], servers[-1]
    return PreparedBench(
        experiment=experiment.model_dump(mode="json", exclude_unset=True),
        arms=_arms(experiment, servers, on),
        prompts=prompts,
        suites={suite.name: suite.fingerprint for suite in suites},
        repetitions=experiment.repetitions,
        seed=experiment.seed,
        sampling=_sampling(experiment),
        sampling_ignored=(),
        stop_tokens=(),
        stop_strings=experiment.stop_strings,
        target=_describe(target, on, "plain"),
        drafters={} if target is served else {"server": _describe(served, on, "speculative")},
        text_of=_no_tokens,
        bytes_of=_no_tokens,
        clock=WallClock(lambda: None),
        num_blocks=NUM_BLOCKS if on is not None and on.in_turn else None,
    )


def _arms(experiment: Experiment, servers: Sequence[ServedArm | InTurn], on: Started | None) -> list[PreparedArm]:
    plain = Arm(id="none", role="baseline", drafter="none", gamma=0, rule="the server's")
    baseline = _arm(plain, servers[0])
    if len(servers) == 1:
        return [baseline]
    arms = [baseline, _arm(_speculative(on), servers[1])]
    # Only where it was asked for: a server that keeps prompts answers the same one faster the second time.
    if experiment.control and "control" in experiment.model_fields_set:
        again = plain.model_copy(update={"id": "none again", "role": "control"})
        arms.append(_arm(again, servers[0]))
    return arms


def _arm(arm: Arm, server: ServedArm | InTurn) -> PreparedArm:
    return PreparedArm(arm, reply=server, bring_up=server.bring_up if isinstance(server, InTurn) else None)


def _speculative(on: Started | None) -> Arm:
    """The arm that drafts; a server that was not started here keeps what it does to itself."""
    if on is None:
        return Arm(id="server", role="drafted", drafter="server", gamma=0, rule="the server's", draft_length="server")
    return Arm(
        id=f"{on.drafter} gamma={on.gamma}", role="drafted", drafter=on.drafter, gamma=on.gamma, rule="the server's"
    )


def _sampling(experiment: Experiment) -> Sampling:
    """As asked for; what is left open is the server's own affair and stands here as neutral."""
    asked = {name: getattr(experiment, name) for name in Sampling.model_fields}
    return Sampling(**{name: value for name, value in asked.items() if value is not None})


def _describe(server: ServedArm | InTurn, on: Started | None, name: ServerName) -> dict[str, Any]:
    if on is None:
        assert isinstance(server, ServedArm), "only servers that are started here take turns at being up"
        return {
            "source": server.model, "kind": "server", "files": {"served": server.model}, "url": server.client.url,
        }  # fmt: skip
    # Without the port, which is another one when the run is resumed; and the server need not be up yet.
    where = f"{on.engine} on this machine{', one server at a time' if on.in_turn else ''}"
    return {"source": on.target, "kind": "server", "files": {"served": on.target}, "url": where, **on.facts[name]}


def _no_tokens(_: object) -> Any:
    raise AssertionError("a server's tokens have no ids here")
