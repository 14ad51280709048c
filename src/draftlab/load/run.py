"""All blocks of a measurement under load, plain and speculative in turn, each on disk as soon as it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from draftlab.errors import DraftlabError
from draftlab.load.drive import Server, drive
from draftlab.load.records import ArmName, Block, LoadSettings
from draftlab.records import PromptRecord
from draftlab.serving.started import Address
from draftlab.store.failures import explained
from draftlab.store.lock import exclusive

_SETTINGS = "load.json"
_BLOCKS = "blocks"
_PROOFS = 8
"""Prompt lookup finds nothing in some texts."""

Report = Callable[[str], None]


def run_load(
    settings: LoadSettings,
    servers: dict[ArmName, Server],
    prompts: Sequence[PromptRecord],
    folder: Path,
    *,
    resume: bool = False,
    say: Report = lambda _: None,
    ended: Callable[[Block, int], None] = lambda _block, _left: None,
) -> None:
    """Do what is missing in `folder`. `ended` is told of each block and how many are left."""
    _begin(settings, folder, resume)
    with explained(folder), exclusive(folder / "lock"):
        missing = [key for key in plan(settings) if not _path(folder, *key).is_file()]
        proven: dict[ArmName, Address] = {}
        for arm in _last_first(missing):  # before anything is measured
            proven[arm] = _prove(arm, servers[arm], prompts, say)
        for number, (repetition, level, arm) in enumerate(missing, 1):
            if servers[arm].open() != proven[arm]:  # it has been started anew
                proven[arm] = _prove(arm, servers[arm], prompts, say)
            block = drive(servers[arm], prompts, level, arm, repetition)
            _keep(block, folder)
            ended(block, len(missing) - number)


def plan(settings: LoadSettings) -> Iterator[tuple[int, int, ArmName]]:
    """(repetition, level, arm) in the order in which they are done; who comes first at a level takes turns."""
    arms: tuple[ArmName, ArmName] = ("plain", "speculative")
    for repetition in range(settings.repetitions):
        turned = repetition % len(settings.levels)
        levels = settings.levels[turned:] + settings.levels[:turned]
        for place, level in enumerate(levels):
            for arm in arms if (repetition + place) % 2 == 0 else arms[::-1]:
                yield repetition, level, arm


def read_load(folder: Path) -> tuple[LoadSettings, list[Block]]:
    """The settings and the blocks that are there, in the order of the plan."""
    try:
        settings = LoadSettings.model_validate_json((folder / _SETTINGS).read_text(encoding="utf-8"))
        paths = [_path(folder, *key) for key in plan(settings)]
        found = [Block.model_validate_json(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
    except OSError as error:
        raise DraftlabError(f"there is no measurement under load in {folder}", "Is the path right?") from error
    except ValidationError as error:
        raise DraftlabError(
            f"a file of the measurement in {folder} is damaged", "Measure into another folder."
        ) from error
    return settings, found


def holds_load(folder: Path) -> bool:
    """Whether `folder` is one."""
    return (folder / _SETTINGS).is_file()


def _begin(settings: LoadSettings, folder: Path, resume: bool) -> None:
    if resume:
        if read_load(folder)[0] != settings:
            raise DraftlabError(
                f"the measurement in {folder} was started with other settings", "Repeat its command with --resume."
            )
        return
    with explained(folder):
        if folder.exists() and any(folder.iterdir()):
            raise DraftlabError(f"{folder} is not empty", "Pass --resume to go on with it, or choose another --out.")
        (folder / _BLOCKS).mkdir(parents=True, exist_ok=True)
        _write(folder / _SETTINGS, settings.model_dump_json(indent=1))


def _last_first(missing: Sequence[tuple[int, int, ArmName]]) -> list[ArmName]:
    """The servers that are needed; that of the first block comes last, so that it is up where only one can be."""
    arms = dict.fromkeys(arm for _, _, arm in missing)
    return list(arms)[::-1]


def _prove(arm: ArmName, server: Server, prompts: Sequence[PromptRecord], say: Report) -> Address:
    """Warmed, and what it is said to be, as far as replies tell: not all that speculate tell what they drafted."""
    at = server.open()
    say(f"asking the {arm} server before anything is measured on it")
    for prompt in prompts[:_PROOFS]:
        request = drive(server, [prompt], 1, arm, 0).requests[-1]
        if request.error:
            raise DraftlabError(f"the {arm} server does not answer: {request.error}")
        if arm == "plain" and request.drafted:
            raise DraftlabError("the plain server speculates", "Start the one at --plain-url without speculation.")
        if arm == "plain" or request.drafted != 0:
            return at
    raise DraftlabError("the speculative server drafted nothing", "See its log for why speculation was not started.")


def _keep(block: Block, folder: Path) -> None:
    _write(_path(folder, block.repetition, block.level, block.arm), block.model_dump_json())


def _path(folder: Path, repetition: int, level: int, arm: str) -> Path:
    return folder / _BLOCKS / f"{repetition:03}-{level:04}-{arm}.json"


def _write(path: Path, text: str) -> None:
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.rename(path)
