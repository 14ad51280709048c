"""How far a training run is, as its folder keeps it; where one can begin, and how one goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from draftlab.errors import DraftlabError
from draftlab.store.failures import explained
from draftlab.train.card import PROVENANCE
from draftlab.train.processes import ALONE, Processes
from draftlab.train.product import this_command
from draftlab.train.settings import TrainSettings

_STATE = "training.json"
_TRUST = (
    ("trust_remote_code", "--trust-remote-code", "a model that brings its own code"),
    ("allow_pickle", "--allow-pickle", "pickled weights"),
)


@dataclass(frozen=True, slots=True)
class Trusted:
    """What may run code, by the flags of this call."""

    trust_remote_code: bool = False
    allow_pickle: bool = False

    @property
    def flags(self) -> list[str]:
        """As a command has them."""
        return [flag for name, flag, _ in _TRUST if getattr(self, name)]


TRUSTS_NOTHING = Trusted()


class State(BaseModel):
    """How far a run is, beyond its files."""

    model_config = ConfigDict(extra="forbid")

    settings: TrainSettings
    command: tuple[str, ...] = ()
    """That began it; empty where an earlier version did."""
    keep: bool = False
    """Whether the target's texts stay when it is done."""
    captured_s: float = 0.0
    captured: bool = False
    data_sha256: str = ""
    held_out_prompts: int = 0
    """That were gone on from, each in one text or several."""
    free_memory: int = 0
    """When the batches were cut: a run that goes on cuts them alike."""
    rows: int = 0
    """Of a batch at most, for the same reason."""
    costs: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()

    def save(self, folder: Path, processes: Processes = ALONE) -> None:
        """The first process does."""
        if not processes.is_first:
            return
        part = folder / f"{_STATE}.part"
        part.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        part.rename(folder / _STATE)


def kept_state(folder: Path) -> State:
    """Of the run that was begun in `folder`."""
    path = folder / _STATE
    try:
        return State.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DraftlabError(f"there is no training run in {folder}", "Start one without --resume.") from error
    except ValidationError as error:
        raise DraftlabError(f"{path} is damaged", "Start again in another folder.") from error


def begin(settings: TrainSettings, folder: Path, *, keep: bool) -> State:
    """A new run in `folder`, which is empty or not there yet."""
    _require_unfinished(folder)
    with explained(folder):
        if folder.exists() and any(folder.iterdir()):
            hint = (
                "Pass --resume to go on with it." if (folder / _STATE).exists() else "Choose another folder with --out."
            )
            raise DraftlabError(f"{folder} is not empty", hint)
        folder.mkdir(parents=True, exist_ok=True)
        state = State(settings=settings, command=this_command(), keep=keep)
        state.save(folder)
    return state


def go_on(folder: Path, trusted: Trusted, say: Callable[[str], None], *, keep: bool) -> State:
    """The run in `folder`, which trusts what it is told to trust now: whoever began it may be someone else."""
    _require_unfinished(folder)
    state = kept_state(folder)
    for name, flag, fails in _TRUST:
        if getattr(state.settings, name) and not getattr(trusted, name):
            say(f"the run was begun with {flag}, and this call does not give it: {fails} will not load; pass it, too")
    settings = state.settings.model_copy(update=asdict(trusted))
    return state.model_copy(update={"settings": settings, "keep": state.keep or keep})


def require_usable(folder: Path) -> None:
    """Refuse a name at which no drafter can be kept, or that no command could name then."""
    if "," in str(folder):
        raise DraftlabError(
            f"--out cannot be '{folder}': a comma ends the name of a drafter", "Choose a folder without commas."
        )
    if folder.exists() and not folder.is_dir():
        raise DraftlabError(f"--out cannot be '{folder}': it is a file", "Choose a folder, new or empty.")


def _require_unfinished(folder: Path) -> None:
    if (folder / PROVENANCE).exists():
        raise DraftlabError(f"{folder} holds a drafter that is trained already", "Choose another folder with --out.")
