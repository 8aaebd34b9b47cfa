"""How Klaviyo is read: profiles by id or by their last change, events by their moment, lists by their members.

What Klaviyo sent by itself stands among the events. An event does not say whether it tells of marketing: the message of
its flow does; a campaign is marketing always.

https://developers.klaviyo.com/en/reference/api_overview; pages are turned by the cursor in `links.next`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import SecretStr

from memory.importing.mapping import Mapping as ReadAs
from tools.crm.api import Answer, Api, Key
from tools.crm.connector import (
    Page,
    Property,
    Record,
    WithheldError,
    cursor_at,
    moment_of,
    must_allow,
    place_in,
    written,
)
from tools.crm.klaviyo.options import SYSTEM, KlaviyoOptions
from tools.crm.secrets import needed_key

HOST: Final = "https://a.klaviyo.com"
HEADERS: Final = {"revision": "2026-07-15", "Accept": "application/vnd.api+json"}
LIST: Final = "list."
"""Before the id of a list, the name of what tells who is on it."""
_CURSOR: Final = "page[cursor]"
_PAGE_SIZE: Final = 100
# An event may come in after later ones.
_OVERLAP: Final = {"contacts": timedelta(minutes=5), "events": timedelta(hours=1), "sends": timedelta(hours=1)}
_SENDS: Final = {"Received Email": "email", "Received SMS": "sms"}
"""Metrics of what Klaviyo sent, and by which channel."""


class Klaviyo:
    """Reads profiles with their consent, members of the lists that are mapped, events, and what Klaviyo sent."""

    system = SYSTEM

    def __init__(
        self, options: KlaviyoOptions, secrets: Mapping[str, SecretStr], *, url: str = "", **more: Any
    ) -> None:
        self._api = Api(SYSTEM, url or HOST, entrance(secrets), headers=HEADERS, **more)
        self._transactional: dict[str, bool] = {}
        """By message of a flow; each is asked for once in a pull."""

    def read(self, thing: str, cursor: str, wanted: Sequence[str]) -> Page:
        place = place_in(cursor)
        if thing == "lists":
            return self._members(place, [name.removeprefix(LIST) for name in wanted if name.startswith(LIST)])
        answer = self._profiles(place) if thing == "contacts" else self._events(place)
        following = place.get("next") or written(answer.at - _OVERLAP[thing])
        after = _after(answer.said)
        between = cursor_at(since=place.get("since"), after=after, next=following)
        cursor = between if after else cursor_at(since=following)
        if thing == "contacts":
            return Page([_profile(one) for one in answer.said["data"]], cursor, more=bool(after))
        happened, sends = list[Record](), list[Record]()
        for one in _happened(answer.said):
            if one.values["metric"] not in _SENDS:
                happened.append(one)
            elif self._is_transactional(one):
                happened.append(one._replace(values={**one.values, "metric": f"transactional {_channel(one)}"}))
            else:
                sends.append(_send(one))
        if thing == "sends":
            return Page(sends, cursor, more=bool(after))
        return Page(happened, cursor, more=bool(after), beside={"sends": sends})

    def properties(self, thing: str) -> list[Property]:
        """What the first profiles have, since Klaviyo keeps no list of it; or the lists there are."""
        if thing == "lists":
            return [Property(f"{LIST}{one['id']}", one["attributes"]["name"], True) for one in self._lists()]
        if thing in {"events", "sends"}:
            return []
        found = [_profile(one) for one in self._profiles({}).said["data"]]
        names = dict.fromkeys(name for one in found for name, value in one.values.items() if value is not None)
        return [Property(name, "", name.startswith("properties.")) for name in names]

    def read_as(self, thing: str) -> ReadAs | None:
        return None

    def check(self, *, writing: bool = False) -> str:
        one = {"page[size]": 1}
        tries: dict[str, Callable[[], object]] = {
            "profiles:read": partial(self._api.get, "/api/profiles", **one),
            "lists:read": self._lists,
            "events:read": partial(self._api.get, "/api/events", **one),
            "metrics:read": partial(self._api.get, "/api/metrics"),
            "flows:read": partial(self._api.get, "/api/flows", **one),
        }
        if writing:
            tries["profiles:write"] = partial(self._api.post, "/api/profile-import", {})
            leave = "/api/profile-subscription-bulk-delete-jobs"
            tries["lists:write and subscriptions:write"] = partial(self._api.post, leave, {})
        must_allow(SYSTEM, tries)
        said = f"Klaviyo takes the key; profiles, events and {len(self._lists())} lists can be read"
        return f"{said}{', profiles written' if writing else ''}."

    def close(self) -> None:
        self._api.close()

    def _profiles(self, place: Mapping[str, Any]) -> Answer:
        since = place.get("since")
        asked = {
            "additional-fields[profile]": "subscriptions",
            "page[size]": _PAGE_SIZE,
            "sort": "updated" if since else "id",
            "filter": f"greater-than(updated,{since})" if since else None,
            _CURSOR: place.get("after"),
        }
        return self._api.get("/api/profiles", **asked)

    def _events(self, place: Mapping[str, Any]) -> Answer:
        since = place.get("since")
        asked = {
            "include": "metric,profile",
            "page[size]": 200,
            "sort": "datetime",
            "filter": f"greater-or-equal(datetime,{since})" if since else None,
            _CURSOR: place.get("after"),
        }
        return self._api.get("/api/events", **asked)

    def _is_transactional(self, sent: Record) -> bool:
        """Whether the message is marked so in its flow; what does not say counts as marketing, which caps more."""
        message = str(sent.values.get("event_properties.$message") or "")
        if not message or not sent.values.get("event_properties.$flow"):
            return False
        if message not in self._transactional:
            asked = {"fields[flow-message]": "definition.transactional"}
            marked = None
            with suppress(WithheldError):
                said = self._api.get(f"/api/flow-messages/{quote(message, safe='')}", **asked).said
                marked = (said["data"]["attributes"].get("definition") or {}).get("transactional")
            self._transactional[message] = marked is True
        return self._transactional[message]

    def _lists(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            said = self._api.get("/api/lists", **{_CURSOR: after}).said
            found += said["data"]
            after = _after(said)
            if not after:
                return found

    def _members(self, place: Mapping[str, Any], lists: Sequence[str]) -> Page:
        """One page of one list; a list says who is on it, not who left."""
        left = [one for one in lists if one >= place.get("list", "")]
        if not left:
            return Page([], "", more=False)
        now = min(left)
        asked = {"page[size]": _PAGE_SIZE, "fields[profile]": "email", _CURSOR: place.get("after")}
        said = self._api.get(f"/api/lists/{now}/profiles", **asked).said
        records = [
            Record(one["id"], {"email": one["attributes"].get("email"), f"{LIST}{now}": True}) for one in said["data"]
        ]
        after = _after(said)
        if after:
            return Page(records, cursor_at(list=now, after=after), more=True)
        others = sorted(one for one in left if one > now)
        return Page(records, cursor_at(list=others[0]) if others else "", more=bool(others))


def entrance(secrets: Mapping[str, SecretStr]) -> Key:
    """The key of an account. Raises ConfigurationError where it is not set."""
    return Key("Authorization", needed_key(SYSTEM, secrets, "NORIA_KLAVIYO_KEY"), prefix="Klaviyo-API-Key ")


def _after(said: Mapping[str, Any]) -> str:
    following = (said.get("links") or {}).get("next") or ""
    return parse_qs(urlsplit(following).query).get(_CURSOR, [""])[0]


def _profile(one: Mapping[str, Any]) -> Record:
    said = one["attributes"]
    mail = (((said.get("subscriptions") or {}).get("email") or {}).get("marketing")) or {}
    values = {
        **{name: value for name, value in said.items() if not isinstance(value, dict)},
        **{f"location.{name}": value for name, value in (said.get("location") or {}).items()},
        **{f"properties.{name}": value for name, value in (said.get("properties") or {}).items()},
        **{f"email.{name}": mail.get(name) for name in ("consent", "consent_timestamp", "method")},
        "email.suppressed": bool(mail.get("suppression")) or None,
    }
    return Record(one["id"], values, moment_of(said.get("updated")))


def _happened(said: Mapping[str, Any]) -> list[Record]:
    beside = {(one["type"], one["id"]): one.get("attributes") or {} for one in said.get("included") or []}
    found = []
    for one in said["data"]:
        attributes, related = one["attributes"], one.get("relationships") or {}
        profile = _of(related, "profile")
        metric = beside.get(("metric", _of(related, "metric")), {}).get("name")
        at: datetime | None = moment_of(attributes.get("datetime"))
        values = {
            **{f"event_properties.{name}": value for name, value in (attributes.get("event_properties") or {}).items()},
            "datetime": None if at is None else written(at),
            "metric": metric,
            "profile": profile,
            "email": beside.get(("profile", profile), {}).get("email"),
        }
        found.append(Record(one["id"], values, at))
    return found


def _send(one: Record) -> Record:
    return one._replace(values={**one.values, "message_key": f"klaviyo:{one.id}", "channel": _channel(one)})


def _channel(sent: Record) -> str:
    return _SENDS[sent.values["metric"]]


def _of(related: Mapping[str, Any], name: str) -> str:
    return str(((related.get(name) or {}).get("data") or {}).get("id", ""))


CONNECTOR: Final = Klaviyo
