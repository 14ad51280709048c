"""Settings: what is refused is refused in one line, in the words of the flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from draftlab.errors import DraftlabError, UnknownNameError
from draftlab.spec import (
    AUTO_GAMMA,
    DEFAULT_TARGET,
    MAX_GAMMA,
    Experiment,
    Sampling,
    make_experiment,
    most_drafted,
    read_toml,
)

REFUSED: list[tuple[str, Any, str]] = [
    ("gammas", [-1], "--gamma"),
    ("gammas", [5, MAX_GAMMA + 1], "--gamma"),
    ("gammas", [10**9], "--gamma"),
    ("gammas", [], "--gamma"),
    ("gammas", 5, "--gamma"),
    ("gammas", [2.5], "--gamma"),
    ("gammas", ["often"], "--gamma"),
    ("gammas", ["auto", "2.5"], "--gamma"),
    ("gammas", "auto", "--gamma"),
    ("temperature", -0.1, "--temperature"),
    ("temperature", 101, "--temperature"),
    ("temperature", float("nan"), "--temperature"),
    ("top_p", 0, "--top-p"),
    ("top_p", 1.5, "--top-p"),
    ("top_p", -1, "--top-p"),
    ("top_k", -1, "--top-k"),
    ("min_p", 1.1, "--min-p"),
    ("min_p", -0.1, "--min-p"),
    ("repetition_penalty", 0, "--repetition-penalty"),
    ("repetition_penalty", float("inf"), "--repetition-penalty"),
    ("max_new_tokens", 0, "--max-new-tokens"),
    ("repetitions", 0, "--repetitions"),
    ("limit", 0, "--limit"),
    ("seed", -1, "--seed"),
    ("seed", 2**63, "--seed"),
    ("dtype", "float8", "--dtype"),
    ("target", "", "--target"),
    ("drafters", [], "--drafter"),
    ("suites", [], "--suite"),
    ("suites", ["code", 7], "--suite"),
    ("stop_strings", [""], "--stop"),
    ("ignore_eos", "perhaps", "--ignore-eos"),
    ("control", "perhaps", "--control"),
    ("until", 0, "--until"),
    ("until", "0%", "--until"),
    ("until", 2, "--until"),
    ("until", "100%", "--until"),
    ("until", "narrow", "--until"),
    ("until", "%", "--until"),
    ("budget", 5, "--budget"),
]


@pytest.mark.parametrize(("name", "value", "flag"), REFUSED)
def test_a_bad_setting_is_refused_in_one_line_with_its_flag(name: str, value: Any, flag: str) -> None:
    with pytest.raises(DraftlabError) as caught:
        make_experiment({name: value})
    message = str(caught.value)
    shown = ", ".join(map(str, value)) if isinstance(value, list) else value
    assert message.startswith(f"{flag} cannot be {shown}: ")
    assert "\n" not in message
    assert "Value error" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [("gammas", [0, MAX_GAMMA]), ("temperature", 0), ("temperature", 100), ("top_p", 1), ("top_p", 1e-9), ("min_p", 1),
     ("top_k", 0), ("seed", 2**63 - 1), ("max_new_tokens", 1)],
)  # fmt: skip
def test_the_ends_of_the_ranges_are_allowed(name: str, value: Any) -> None:
    experiment = make_experiment({name: value})
    assert getattr(experiment, name) == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize("until", [0.02, "0.02", "2%", " 2 % "])
def test_a_precision_is_a_share_or_a_percentage(until: Any) -> None:
    experiment = make_experiment({"until": until, "budget": 5})
    assert (experiment.until, experiment.budget) == (0.02, 5)


def test_no_settings_at_all_are_the_embedded_default() -> None:
    experiment = make_experiment({})
    assert (experiment.target, experiment.drafters, experiment.gammas) == (DEFAULT_TARGET, ("ngram",), (5,))


def test_an_unknown_setting_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no setting is called 'temprature'") as caught:
        make_experiment({"temprature": 1.0})
    assert caught.value.hint == "Did you mean 'temperature'?"


def test_the_message_names_the_choices() -> None:
    with pytest.raises(DraftlabError, match="'auto', 'float32', 'bfloat16' or 'float16'"):
        make_experiment({"dtype": "float8"})


def test_the_message_says_what_gamma_is() -> None:
    with pytest.raises(DraftlabError, match=f"the most tokens drafted in a round, from 0 to {MAX_GAMMA}"):
        make_experiment({"gammas": [-3]})


def test_a_spec_cannot_be_changed_behind_its_manifest() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Experiment().target = "other"


def test_the_manifest_has_the_same_limits_as_the_flags() -> None:
    for name, value in {"temperature": -1.0, "top_p": 0.0, "min_p": 2.0, "repetition_penalty": float("inf")}.items():
        with pytest.raises(ValueError, match=name):
            Sampling(**{name: value})


def test_a_toml_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text('target = "toy"\ngammas = [3, 7]\ntemperature = 0.5\n')
    assert read_toml(path) == {"target": "toy", "gammas": [3, 7], "temperature": 0.5}
    assert make_experiment(read_toml(path)).gammas == (3, 7)


@pytest.mark.parametrize("content", [b"target = ", b"target = toy", b"a = 1\na = 2", b"\xff\xfe"])
def test_a_bad_toml_file_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spec.toml"
    path.write_bytes(content)
    with pytest.raises(DraftlabError, match=r"spec\.toml is not valid TOML: ") as caught:
        read_toml(path)
    assert "\n" not in str(caught.value)


def test_a_missing_toml_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DraftlabError, match=r"cannot read the spec .*nowhere\.toml: No such file"):
        read_toml(tmp_path / "nowhere.toml")


def test_a_gamma_is_a_number_or_auto() -> None:
    assert make_experiment({"gammas": ["3", "auto", 7]}).gammas == (3, "auto", 7)
    assert most_drafted("auto") == AUTO_GAMMA
    assert most_drafted(3, "auto", AUTO_GAMMA + 1) == AUTO_GAMMA + 1
