"""Shows messages to SpamAssassin, where its command is there, and reads the score."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from contextlib import suppress
from itertools import product
from typing import Final

from memory.errors import NoriaError
from memory.play import Play
from policies.facts import NOT_MEASURED
from tools.audience import PREVIEW_URL
from tools.compose import as_bytes, compose
from tools.render import example, render

_SCORE: Final = re.compile(rb"(?:^|score=)\s*(-?\d+(?:\.\d+)?)(?:\s*/\s*\d|\s+required=)", re.MULTILINE)
"""`spamc -c` answers "5.3/5.0"; `spamassassin` writes "score=5.3 required=5.0" into a header."""
_TIMEOUT_SECONDS: Final = 20.0


def spam_score(play: Play, command: str) -> float:
    """The highest score of a play's e-mails, filled with example values; NOT_MEASURED where nothing gives one.

    ``command`` reads a message from its standard input, for example ``spamc -c``; empty asks nobody.
    """
    words = shlex.split(command)
    if not words or shutil.which(words[0]) is None:
        return NOT_MEASURED
    return max((_score(message, words) for message in _messages(play)), default=NOT_MEASURED)


def _score(message: bytes, words: list[str]) -> float:
    try:
        # The exit code of `spamc -c` is 1 for spam.
        said = subprocess.run(words, input=message, capture_output=True, timeout=_TIMEOUT_SECONDS)  # noqa: S603 - the operator's own command
    except (OSError, subprocess.TimeoutExpired):
        return NOT_MEASURED
    found = _SCORE.search(said.stdout)
    # A server that is not there answers 0/0.
    return float(found[1]) if found and not said.stdout.lstrip().startswith(b"0/0") else NOT_MEASURED


def _messages(play: Play) -> list[bytes]:
    made = []
    shown = [play.model_copy(update={"offer": offer, "tiers": ()}) for offer in play.offers or (None,)]
    for (_, step), one in product(play.sends(), shown):
        for language in step.copies if step.channel == "email" else ():
            # What cannot be rendered at all is for other rules, and for the rehearsal, to say.
            with suppress(NoriaError):
                message = compose(
                    render(one, step, language, example(one, language)),
                    one.brand,
                    to_address="reader@example.com",
                    message_key="spam-check",
                    unsubscribe_url=PREVIEW_URL,
                    now=one.schedule.starts_at,
                )
                made.append(as_bytes(message))
    return made
