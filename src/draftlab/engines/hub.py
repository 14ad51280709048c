"""Is the model hub there? Asked once, so that a missing network is told in seconds and not after five retries."""

from __future__ import annotations

from huggingface_hub import constants, get_session, try_to_load_from_cache
from huggingface_hub.utils import logging

from draftlab.errors import DraftlabError

_TIMEOUT_S = 10.0


def require_hub(repo_id: str) -> bool:
    """True if the hub answers, False if it does not but `repo_id` was downloaded before; raise if neither."""
    logging.set_verbosity_error()
    try:
        get_session().head(f"{constants.ENDPOINT}/{repo_id}/resolve/main/config.json", timeout=_TIMEOUT_S)
    except Exception as error:  # the client's own error types change with its versions
        if isinstance(try_to_load_from_cache(repo_id, "config.json"), str):
            return False
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DraftlabError(
            f"cannot reach the model hub for '{repo_id}' ({reason}), and it was not downloaded before",
            "Give a local folder or a .gguf file, or check the network.",
        ) from error
    return True
