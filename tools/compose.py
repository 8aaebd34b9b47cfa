"""E-mail as bytes that mailbox providers accept: true headers, a text part, and the way out in one click."""

from __future__ import annotations

import binascii
import re
import unicodedata
from datetime import UTC, datetime
from email.header import Header
from email.headerregistry import Address, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Final

from email_validator import EmailNotValidError, validate_email

from memory.brand import Brand
from memory.errors import InvalidInputError
from tools.mould import leads_out
from tools.render import Rendered

_KEY: Final = re.compile(r"^[A-Za-z0-9_-]{8,80}$")
_PLAIN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+")
"""An address that needs no quoting, encoding or name, as nearly all are."""
_LOWER: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[a-z0-9.-]+")
_LONGEST: Final = 254
_UNFOLDED: Final = frozenset({"list-unsubscribe", "message-id", "x-noria-message-key"})
_SHARED: Final = frozenset(
    {
        "content-language",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "list-unsubscribe-post",
        "mime-version",
        "reply-to",
        "subject",
        "x-noria-label",
    }
)
"""The same in every message of a mailing, or nearly so."""
_WORDED: Final = frozenset({"subject", "x-noria-label"})
"""Headers that are nothing but text."""
_BOUNDARY: Final = "=_noria_parts"
"""Between the parts; no line of a quoted-printable part can be it, because there every = is written =3D."""


class AddressError(InvalidInputError):
    """An address cannot receive mail as it is written."""

    code = "address"


class _Registry(HeaderRegistry):
    """The library makes a new class for every header that it stores; these are made once for each name."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = super().__getitem__(name)
        return made

    def __call__(self, name: str, value: Any) -> Any:
        return self[name](name, value)


class _MailPolicy(EmailPolicy):
    """Keeps addresses and ids on one line: folded or encoded they would no longer be what they are.

    The library parses and folds every header of every message, which takes most of the time of a mailing; most of them
    are the same in all messages, and are parsed and folded once.
    """

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if name.lower() in _UNFOLDED:
            if not value.isascii() or not value.isprintable():
                raise ValueError("this header holds one line of plain characters")
            return name, value
        if name.lower() == "to" and _is_plain(value):
            return name, value
        if name.lower() in _SHARED and isinstance(value, str):
            return _parsed(name, value)
        return super().header_store_parse(name, value)

    def fold(self, name: str, value: str) -> str:
        if name.lower() in _UNFOLDED or (name.lower() == "to" and _is_plain(value)):
            return f"{name}: {value}{self.linesep}"
        if _is_worded(name, value):
            return _encoded(name, value)
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() in _UNFOLDED or (name.lower() == "to" and _is_plain(value)):
            return f"{name}: {value}{self.linesep}".encode("ascii")
        if name.lower() in _SHARED:
            return _folded(name, value)
        return super().fold_binary(name, value)


POLICY: Final = _MailPolicy(
    header_factory=_Registry(), **{name: getattr(SMTP, name) for name in ("linesep", "cte_type", "raise_on_defect")}
)
"""How a message becomes bytes: `message.as_bytes(policy=POLICY)`."""


def _is_plain(value: object) -> bool:
    # A parsed header is a str too, of its own class.
    return type(value) is str and _PLAIN.fullmatch(value) is not None


@lru_cache(maxsize=256)
def _parsed(name: str, value: str) -> tuple[str, Any]:
    return EmailPolicy.header_store_parse(POLICY, name, value)


@lru_cache(maxsize=256)
def _folded(name: str, value: str) -> bytes:
    if _is_worded(name, value):
        return _encoded(name, value).encode("ascii")
    return EmailPolicy.fold_binary(POLICY, name, value)


def _is_worded(name: str, value: str) -> bool:
    return name.lower() in _WORDED and not value.isascii()


def _encoded(name: str, value: str) -> str:
    # Where accented and plain words alternate, the library's own folding loses the blank at which a line breaks.
    text = Header(str(value), "utf-8", header_name=name).encode(linesep=POLICY.linesep)
    return f"{name}: {text}{POLICY.linesep}"


def compose(
    rendered: Rendered,
    brand: Brand,
    *,
    to_address: str,
    message_key: str,
    unsubscribe_url: str,
    now: datetime,
    to_name: str = "",
    label: str = "",
) -> EmailMessage:
    """The message to one address.

    ``message_key`` makes the Message-ID, so that one intended send always carries the same; ``now`` is its date.
    ``label`` marks demonstrations in a header of its own. Raises AddressError for an address that cannot be written to,
    and InvalidInputError for a key or way out that cannot stand in a header.
    """
    message = EmailMessage(policy=POLICY)
    named = _named(
        rendered,
        brand,
        to_address=to_address,
        message_key=message_key,
        unsubscribe_url=unsubscribe_url,
        now=now,
        to_name=to_name,
        label=label,
    )
    for name, value in named:
        message[name] = value
    message.set_payload([_part(rendered.text, "plain"), _part(rendered.html, "html")])
    return message


def mailing(
    rendered: Rendered, brand: Brand, *, to_address: str, message_key: str, unsubscribe_url: str, now: datetime
) -> bytes:
    """The bytes of what `compose` makes, without making it: for many messages that differ in little."""
    named = _named(
        rendered, brand, to_address=to_address, message_key=message_key, unsubscribe_url=unsubscribe_url, now=now
    )
    fence = f"--{_BOUNDARY}\r\n".encode()
    parts = [
        piece
        for text, kind in ((rendered.text, "plain"), (rendered.html, "html"))
        for piece in (fence, _part_headers(kind), b"\r\n", _wired(_quoted(text)), b"\r\n")
    ]
    return b"".join([*(_line(name, value) for name, value in named), b"\r\n", *parts, f"--{_BOUNDARY}--\r\n".encode()])


def _named(
    rendered: Rendered,
    brand: Brand,
    *,
    to_address: str,
    message_key: str,
    unsubscribe_url: str,
    now: datetime,
    to_name: str = "",
    label: str = "",
) -> list[tuple[str, str | Address]]:
    """The headers of a message in order, before they are folded."""
    if not _KEY.fullmatch(message_key):
        raise InvalidInputError(
            "The message key cannot stand in a header.", where="message key", remedy="Use the ledger's."
        )
    if not leads_out(unsubscribe_url):
        raise InvalidInputError(
            "The unsubscribe address is not an https address.",
            where="unsubscribe_url",
            remedy="Set the public address of this installation; plain http is for this machine only.",
        )
    sender = _sender(brand.sender_name, str(brand.sender_address))
    return [
        ("From", str(sender)),
        ("To", _mailbox(to_name, to_address) if to_name else _recipient(to_address)),
        *([("Reply-To", str(_sender("", str(brand.reply_to))))] if brand.reply_to else []),
        ("Subject", header_text(rendered.subject)),
        ("Date", format_datetime(now.astimezone(UTC))),
        ("Message-ID", f"<{message_key}@{sender.domain}>"),
        ("List-Unsubscribe", f"<{unsubscribe_url}>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("X-Noria-Message-Key", message_key),
        *([("X-Noria-Label", header_text(label))] if label else []),
        ("MIME-Version", "1.0"),
        # A fixed boundary: the same message is the same bytes, whose digest the ledger keeps.
        ("Content-Type", f'multipart/alternative; boundary="{_BOUNDARY}"'),
        ("Content-Language", rendered.language),
    ]


def as_bytes(message: EmailMessage) -> bytes:
    """What `compose` made, as it goes over the wire: the bytes of `message.as_bytes(policy=POLICY)`, sooner."""
    parts = message.get_payload()
    assert isinstance(parts, list)
    fence = f"--{_BOUNDARY}".encode()
    written = [_headers(message)]
    for part in parts:
        assert isinstance(part, EmailMessage)
        written += [fence, b"\r\n", _headers(part), _wired(str(part.get_payload())), b"\r\n"]
    return b"".join([*written, fence, b"--\r\n"])


def _wired(body: str) -> bytes:
    return body.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode("ascii")


def _line(name: str, value: str | Address) -> bytes:
    if name.lower() in _SHARED and isinstance(value, str):
        return _shared_line(name, value)
    return POLICY.fold_binary(*POLICY.header_store_parse(name, value))


@lru_cache(maxsize=256)
def _shared_line(name: str, value: str) -> bytes:
    return POLICY.fold_binary(*POLICY.header_store_parse(name, value))


@lru_cache(maxsize=4)
def _part_headers(kind: str) -> bytes:
    return b"".join(POLICY.fold_binary(name, value) for name, value in _part("", kind).raw_items())


def _headers(message: EmailMessage) -> bytes:
    return b"".join([POLICY.fold_binary(name, value) for name, value in message.raw_items()] + [b"\r\n"])


def header_text(text: str) -> str:
    """Text fit for one header: control and line-breaking characters become spaces."""
    seen = text
    if not text.isprintable():
        seen = "".join(
            " " if unicodedata.category(character) in {"Cc", "Cs", "Cn", "Zl", "Zp"} else character
            for character in text
        )
    return re.sub(r" {2,}", " ", seen).strip(" ")


def _quoted(text: str) -> str:
    # The library's own quoted-printable is written in Python and takes most of the time of a message.
    return binascii.b2a_qp(text.encode(), istext=True).decode("ascii")


def _part(text: str, kind: str) -> EmailMessage:
    part = EmailMessage(policy=POLICY)
    part["Content-Type"] = f'text/{kind}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(_quoted(text))
    del part["MIME-Version"]
    return part


@lru_cache(maxsize=64)
def _sender(name: str, address: str) -> Address:
    return _mailbox(name, address)


def _recipient(address: str) -> str | Address:
    """One address without a name; spelled out where it is plain, which spares two runs of the library's parser."""
    found = _checked(address)
    return found if _is_plain(found) else _mailbox("", address)


def _mailbox(name: str, address: str) -> Address:
    try:
        return Address(display_name=header_text(name), addr_spec=_checked(address))
    except (ValueError, IndexError) as error:
        raise AddressError(
            "This address cannot be written to.", where="address", remedy="Correct it in the record."
        ) from error


def _checked(address: str) -> str:
    if _LOWER.fullmatch(address) and len(address) <= _LONGEST:
        # What is before the @ is right as it stands; what is after it is shared by many addresses.
        name, _, domain = address.partition("@")
        return f"{name}@{_domain(domain)}"
    return _validated(address)


@lru_cache(maxsize=4096)
def _domain(domain: str) -> str:
    return _validated(f"x@{domain}").removeprefix("x@")


def _validated(address: str) -> str:
    try:
        found = validate_email(address, check_deliverability=False, allow_smtputf8=False, test_environment=True)
        return found.ascii_email or ""
    except (EmailNotValidError, ValueError, IndexError) as error:
        raise AddressError(
            "This address cannot be written to.", where="address", remedy="Correct it in the record."
        ) from error
