"""Measure draftlab beside transformers, flashspec and vLLM: same weights, prompts and number of tokens, greedy.

    python -m benchmarks.side_by_side --target FOLDER --drafter FOLDER --out runs/side

Run from the root of a clone. All arms decode one prompt after another, in changing order, and what is in --out is not
run again. Then read it: python -m benchmarks.side_by_side.table runs/side
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.side_by_side.arms import DEFAULTS, Arm, choose
from benchmarks.side_by_side.decodes import Conditions, Decode, Folder, Session
from benchmarks.side_by_side.loading import Loaded, possible
from benchmarks.side_by_side.networks import Networks
from benchmarks.side_by_side.plan import Task, Text, read_texts, tasks
from benchmarks.side_by_side.subject import Subject, require_length
from draftlab.bench.environment import describe_environment
from draftlab.errors import DraftlabError
from draftlab.machine_name import machine_of

_SPARE = 64  # places in vLLM's context beyond the longest text, for drafts


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and say how to read it."""
    asked = _parser().parse_args(words)
    try:
        measure(asked)
    except DraftlabError as error:
        print(f"error: {error}" + (f"\nhint: {error.hint}" if error.hint else ""), file=sys.stderr)
        sys.exit(2)
    print(f"python -m benchmarks.side_by_side.table {asked.out}")


def measure(asked: argparse.Namespace) -> None:
    """Make the decodes that --out lacks."""
    transformers.logging.set_verbosity_error()
    environment = describe_environment()
    conditions = Conditions(
        target=asked.target,
        drafter=asked.drafter,
        dtype=asked.dtype,
        max_new_tokens=asked.max_new_tokens,
        threads=torch.get_num_threads(),
        machine=machine_of(environment),
    )
    arms = possible(choose(asked.arms.split(",")), asked.vllm_python, print)
    networks = Networks(asked.target, asked.drafter, asked.dtype, print)
    texts = read_texts(networks, asked.suite or ["humaneval", "prose"], asked.limit)
    folder = Folder.open(asked.out, conditions)
    done = {decode.key for decode in folder.decodes()}
    todo = list(tasks(arms, texts, asked.repetitions, done))
    if not todo:
        print(f"{asked.out} has all {len(done)} decodes")
        return
    needed = [arm for arm in arms if any(task.arm == arm for task in todo)]
    longest = max(len(text.tokens) for text in texts) + asked.max_new_tokens
    loaded = Loaded(networks, conditions.threads, longest + _SPARE, asked.out, asked.vllm_python)
    try:
        # Worker processes last: what they need is compared with the memory that is left.
        subjects = {arm: loaded.subject(arm) for arm in sorted(needed, key=lambda arm: arm.family == "vllm")}
        names = tuple(arm.name for arm in needed)
        folder.add_session(Session(started=time.time(), arms=names, environment=environment, loaded=loaded.facts))
        _warm_up(subjects, texts[0], asked.max_new_tokens)
        _decode_all(todo, subjects, asked.max_new_tokens, folder)
        for engine in loaded.engines:
            print(f"{engine.arm.name} took {engine.idle_share:.1%} of a core while others decoded")
    finally:
        loaded.close()


def _warm_up(subjects: dict[Arm, Subject], text: Text, num_tokens: int) -> None:
    """Every arm decodes once for nothing; here it is seen, too, whether each can."""
    for arm, subject in subjects.items():
        started = time.perf_counter()
        try:
            found = subject(text.tokens, num_tokens)
        except DraftlabError:
            raise
        except Exception as error:  # each library fails in ways of its own
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise DraftlabError(f"{arm.name} cannot decode this pair: {reason}", "Leave it out with --arms.") from error
        require_length(arm.name, found, num_tokens)
        print(f"warm-up {arm.name}: {time.perf_counter() - started:.1f} s")


def _decode_all(todo: Sequence[Task], subjects: dict[Arm, Subject], num_tokens: int, folder: Folder) -> None:
    writer = folder.decode_writer()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        # Drawn between decodes only: a thread that draws would take time from what is measured.
        with Progress(*columns, auto_refresh=False) as progress:
            bar = progress.add_task("decoding", total=len(todo))
            for task in todo:
                started = time.time()
                found = subjects[task.arm](task.text.tokens, num_tokens)
                require_length(task.arm.name, found, num_tokens)
                writer.append(
                    Decode(
                        arm=task.arm.name,
                        prompt_id=task.text.id,
                        suite=task.text.suite,
                        repetition=task.repetition,
                        prompt_tokens=len(task.text.tokens),
                        seconds=found.seconds,
                        started=started,
                        tokens=found.tokens,
                    )
                )
                progress.update(bar, advance=1, description=task.arm.name)
                progress.refresh()
    finally:
        writer.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.side_by_side",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", required=True, help="a folder; without vLLM, anything that draftlab loads")
    parser.add_argument("--drafter", required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder; what is there is not run again")
    parser.add_argument("--arms", default=",".join(DEFAULTS), help="families or FAMILY-SETTING (default: %(default)s)")
    parser.add_argument("--suite", action="append", help="a name or a .jsonl file (default: humaneval and prose)")
    parser.add_argument("--limit", type=int, default=8, help="prompts of each suite (default: %(default)s)")
    parser.add_argument("--max-new-tokens", type=int, default=64, help="of every arm (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))
    parser.add_argument("--vllm-python", type=Path, help="the Python of vLLM's own environment")
    return parser


if __name__ == "__main__":
    main()
