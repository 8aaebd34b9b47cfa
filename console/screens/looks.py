"""How messages would look to their readers before anything of them is proposed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from starlette.responses import Response

from console.screens.frame import Frame
from console.screens.proposal import MESSAGE_HEADERS
from memory.errors import NotFoundError
from memory.play import Play
from tools.previews import Preview, preview_messages

_KEPT: Final = 16


class Looks:
    """The messages of plays that nobody has proposed yet, as readers would get them; the newest are kept."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._kept: OrderedDict[str, list[Preview]] = OrderedDict()

    def of(self, play: Play) -> list[Preview]:
        """Every message, for a made-up contact and for one of whom less is known."""
        opened = self._frame.opened
        with self._frame.lock:
            if play.digest not in self._kept:
                at, currency = opened.clock.now(), opened.settings.currency
                self._kept[play.digest] = preview_messages(
                    opened.store, opened.lake, play, (), at=at, currency=currency
                )
            self._kept.move_to_end(play.digest)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[play.digest]

    def message(self, digest: str, number: int) -> Response:
        """One of the kept messages as a page that can do nothing; gone once many others were looked at."""
        found = dict(enumerate(self._kept.get(digest, ()))).get(number)
        if found is None or found.message is None:
            raise NotFoundError("There is no such message.", remedy="Ask for the preview again.")
        return Response(found.message.html, media_type="text/html", headers=MESSAGE_HEADERS)
