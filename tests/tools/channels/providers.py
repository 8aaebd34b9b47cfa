"""Providers on this machine: each speaks like the real one, delivers what it is given, and misbehaves on request."""

from __future__ import annotations

import base64
import json
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from email import message_from_bytes, policy
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.tools.channels.http_server import HARD, SOFT, Endpoint
from tools.channels.channel import Channel, Outgoing
from tools.channels.vendors import VENDORS, import_channel

KEY = "a key that nobody may see"
PUBLIC = "https://news.shop.example.com"
Said = tuple[str, str]
"""The key and the recipient of one message."""


class Provider(Endpoint):
    """Refuses by the recipient: ``gone`` for good, ``soft`` for now; faults as every endpoint has them.

    Besides those, ``slow`` answers after a while, and ``page`` with a page in HTML and status 200.
    """

    vendor: ClassVar[str]
    needs: ClassVar[dict[str, Any]] = {}
    """Options that have no default."""
    soft: ClassVar[bool] = True
    """Whether it can put one message off and take others."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 0
        """The status that it gives instead of its own."""
        self._answers: dict[str, tuple[int, Any]] = {}

    def channel(self, *, key: str = KEY, url: str = "", public_url: str = PUBLIC, **options: Any) -> Channel:
        """A channel to this server."""
        made = VENDORS[self.vendor].options.model_validate({**self.needs, **options})
        found: Channel = import_channel(self.vendor)(
            made, key, public_url, url=url or self.url.removesuffix("/messages")
        )
        return found

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int | str, Any]:
        with self._lock:
            self.requests.append((headers, body))
            fault = self.faults.pop(0) if self.faults else 0
        if fault == "slow":
            time.sleep(0.3)
            fault = 0
        if fault and fault not in {"cut after", "cut body", "page"}:
            return fault, {"message": "out of order"}
        with self._lock:
            if not self.allows(headers):
                return 401, {"message": f"no key {KEY}"}
            status, answer = self._once(headers, body)
        if fault == "page":
            return 200, "<html>Welcome</html>"
        return fault or self.status or status, answer if self.answer is None else self.answer

    def _once(self, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        known = self.name_of(headers, body)
        if known and known in self._answers:
            return self.again(self._answers[known])
        self.headers = {}
        found = self.answers([self._judge(*one) for one in self.messages_in(headers, body)])
        self._answers[known] = found
        return found

    def _judge(self, key: str, address: str) -> tuple[str, str, str]:
        name = address.split("@", maxsplit=1)[0]
        if name not in {HARD, SOFT}:
            self.delivered[key] += 1
        return key, address, name

    @abstractmethod
    def allows(self, headers: dict[str, str]) -> bool:
        """Whether the right key came along."""

    def name_of(self, headers: dict[str, str], body: bytes) -> str:
        """By what it knows a request again; empty where it does not."""
        return headers.get("idempotency-key", "")

    def again(self, answered: tuple[int, Any]) -> tuple[int, Any]:
        """What it says to a request that it knows."""
        return answered

    @abstractmethod
    def messages_in(self, headers: dict[str, str], body: bytes) -> list[Said]:
        """What a request carries."""

    def marks_in(self, headers: dict[str, str], body: bytes) -> tuple[object, Mapping[str, str]]:
        """The campaign of its first message in the statistics, and the headers with which that leaves."""
        raise NotImplementedError

    @abstractmethod
    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        """What it says of messages, by key, address and the name in the address."""


class SendGrid(Provider):
    vendor = "sendgrid"

    def allows(self, headers: dict[str, str]) -> bool:
        return headers["authorization"] == f"Bearer {KEY}" and headers[":path"] == "/v3/mail/send"

    def messages_in(self, headers: dict[str, str], body: bytes) -> list[Said]:
        (one,) = json.loads(body)["personalizations"]
        return [(one["custom_args"]["noria_key"], one["to"][0]["email"])]

    def marks_in(self, headers: dict[str, str], body: bytes) -> tuple[object, Mapping[str, str]]:
        said = json.loads(body)
        return said["categories"], said["personalizations"][0]["headers"]

    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        ((key, address, name),) = judged
        if name == HARD:
            return 400, {"errors": [{"message": f"{address} is no address", "field": "personalizations.0.to.0.email"}]}
        if name == SOFT:
            return 402, {"errors": [{"message": "no credits", "field": None}]}
        self.headers = {"X-Message-Id": f"id-{key}"}
        return 202, ""


class Resend(Provider):
    vendor = "resend"
    soft = False

    def allows(self, headers: dict[str, str]) -> bool:
        return headers["authorization"] == f"Bearer {KEY}" and headers[":path"] == "/emails/batch"

    def messages_in(self, headers: dict[str, str], body: bytes) -> list[Said]:
        return [
            ({tag["name"]: tag["value"] for tag in one["tags"]}["noria_key"], one["to"][0]) for one in json.loads(body)
        ]

    def marks_in(self, headers: dict[str, str], body: bytes) -> tuple[object, Mapping[str, str]]:
        said = json.loads(body)[0]
        return [tag["value"] for tag in said["tags"] if tag["name"] == "campaign"], said["headers"]

    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        wrong = [place for place, (_, _, name) in enumerate(judged) if name == HARD]
        errors = [{"index": place, "message": f"Invalid `to` field: {judged[place][1]}"} for place in wrong]
        ids = [{"id": f"id-{key}"} for key, _, name in judged if name != HARD]
        return 200, {"data": ids, **({"errors": errors} if errors else {})}


class Postmark(Provider):
    vendor = "postmark"

    def allows(self, headers: dict[str, str]) -> bool:
        return headers["x-postmark-server-token"] == KEY and headers[":path"] == "/email/batch"

    def messages_in(self, headers: dict[str, str], body: bytes) -> list[Said]:
        return [(one["Metadata"]["noria_key"], one["To"]) for one in json.loads(body)]

    def marks_in(self, headers: dict[str, str], body: bytes) -> tuple[object, Mapping[str, str]]:
        said = json.loads(body)[0]
        return [said["Tag"]], {one["Name"]: one["Value"] for one in said["Headers"]}

    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        codes = {HARD: 406, SOFT: 405}
        return 200, [
            {"ErrorCode": codes[name], "Message": f"Found inactive addresses: {address}."}
            if name in codes
            else {"ErrorCode": 0, "Message": "OK", "MessageID": f"id-{key}", "To": address}
            for key, address, name in judged
        ]


class Mailgun(Provider):
    vendor = "mailgun"
    needs: ClassVar = {"domain": "mg.shop.example.com"}

    def allows(self, headers: dict[str, str]) -> bool:
        proof = base64.b64encode(f"api:{KEY}".encode()).decode()
        return (
            headers["authorization"] == f"Basic {proof}" and headers[":path"] == "/v3/mg.shop.example.com/messages.mime"
        )

    def messages_in(self, headers: dict[str, str], body: bytes) -> list[Said]:
        fields = self.fields_of(headers, body)
        return [(fields["v:noria_key"], fields["to"])]

    @staticmethod
    def fields_of(headers: dict[str, str], body: bytes) -> dict[str, str]:
        """The fields of a form in parts."""
        form = message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + body)
        return {
            str(part.get_param("name", header="content-disposition")): str(part.get_payload())
            for part in form.get_payload()
            if not isinstance(part, str)
        }

    def marks_in(self, headers: dict[str, str], body: bytes) -> tuple[object, Mapping[str, str]]:
        mail = body[body.index(b"X-Noria-Message-Key") :]
        return [self.fields_of(headers, body)["o:tag"]], dict(message_from_bytes(mail, policy=policy.default))

    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        ((key, address, name),) = judged
        if name == HARD:
            return 400, {"message": f"to parameter is not a valid address: {address}"}
        return (402, {}) if name == SOFT else (200, {"id": f"<id-{key}>", "message": "Queued. Thank you."})


class Brevo(Provider):
    vendor = "brevo"

    def allows(self, headers: dict[str, str]) -> bool:
        return headers["api-key"] == KEY and headers[":path"] == "/v3/smtp/email"

    def messages_in(self, headers: dict[str, str], body: bytes) -> list[Said]:
        said = json.loads(body)
        return [(said["headers"]["X-Mailin-custom"], said["to"][0]["email"])]

    def marks_in(self, headers: dict[str, str], body: bytes) -> tuple[object, Mapping[str, str]]:
        said = json.loads(body)
        return said["tags"], said["headers"]

    def name_of(self, headers: dict[str, str], body: bytes) -> str:
        found: str = json.loads(body)["headers"]["idempotencyKey"]
        return found

    def again(self, answered: tuple[int, Any]) -> tuple[int, Any]:
        return 400, {"code": "duplicate_parameter", "message": "idempotencyKey has been used"}

    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        ((key, address, name),) = judged
        if name == HARD:
            return 400, {"code": "invalid_parameter", "message": f"{address} is not valid in to"}
        return (402, {"code": "not_enough_credits"}) if name == SOFT else (201, {"messageId": f"<id-{key}>"})


class Ses(Provider):
    vendor = "ses"
    needs: ClassVar = {"region": "eu-west-3", "access_key_id": "AKIDEXAMPLE000000000"}

    def allows(self, headers: dict[str, str]) -> bool:
        return "Credential=AKIDEXAMPLE000000000/" in headers["authorization"]

    def messages_in(self, headers: dict[str, str], body: bytes) -> list[Said]:
        said = json.loads(body)
        mail = message_from_bytes(base64.b64decode(said["Content"]["Raw"]["Data"]), policy=policy.default)
        assert {"Name": "noria_key", "Value": mail["X-Noria-Message-Key"]} in said["EmailTags"]
        return [(str(mail["X-Noria-Message-Key"]), said["Destination"]["ToAddresses"][0])]

    def marks_in(self, headers: dict[str, str], body: bytes) -> tuple[object, Mapping[str, str]]:
        said = json.loads(body)
        mail = message_from_bytes(base64.b64decode(said["Content"]["Raw"]["Data"]), policy=policy.default)
        return [tag["Value"] for tag in said["EmailTags"] if tag["Name"] == "campaign"], dict(mail)

    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        ((key, address, name),) = judged
        if name in {HARD, SOFT}:
            kind = "MessageRejected" if name == HARD else "SendingPausedException"
            self.headers = {"x-amzn-ErrorType": f"{kind}:http://internal.amazon.com/coral/"}
            return 400, {"message": f"Local address contains control or whitespace: {address}"}
        return 200, {"MessageId": f"id-{key}"}


class Twilio(Provider):
    vendor = "twilio"
    needs: ClassVar = {"account": f"AC{'0' * 32}", "api_key": f"SK{'1' * 32}", "sender": "+33700000000"}

    def allows(self, headers: dict[str, str]) -> bool:
        proof = base64.b64encode(f"SK{'1' * 32}:{KEY}".encode()).decode()
        return headers["authorization"] == f"Basic {proof}"

    def messages_in(self, headers: dict[str, str], body: bytes) -> list[Said]:
        fields = parse_qs(body.decode())
        (key,) = parse_qs(urlsplit(fields["StatusCallback"][0]).query)["key"]
        return [(key, fields["To"][0])]

    def answers(self, judged: Sequence[tuple[str, str, str]]) -> tuple[int, Any]:
        ((key, address, name),) = judged
        codes = {HARD: 21211, SOFT: 30001}
        if name in codes:
            return 400, {"code": codes[name], "message": f"The number {address} is not valid."}
        return 201, {"sid": f"id-{key}", "status": "queued"}


PROVIDERS: dict[str, type[Provider]] = {
    one.vendor: one for one in (SendGrid, Resend, Postmark, Mailgun, Brevo, Ses, Twilio)
}


def letter(key: str = "key1", name: str = "anna") -> Outgoing:
    """One e-mail as the delivery hands it over."""
    address = f"{name}@shop.example.com"
    way_out = f"{PUBLIC}/u/token"
    head = (
        f"X-Noria-Message-Key: {key}",
        "From: hello@shop.example.com",
        f"To: {address}",
        "Subject: Hi",
        f"List-Unsubscribe: <{way_out}>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "",
    )
    parts = {
        "from_name": "Maple & Finch",
        "reply_to": "care@shop.example.com",
        "subject": "Hi",
        "text": "Hi.",
        "html": "<p>Hi.</p>",
        "unsubscribe_url": way_out,
    }
    content = "\r\n".join((*head, "Hi.", "")).encode()
    return Outgoing(key, "hello@shop.example.com", address, content, parts, "spring")
