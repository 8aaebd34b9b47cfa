"""What delivery is held against: the client alone with ready-made bytes, and the loop that one would write oneself."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import smtplib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from email.message import EmailMessage

import httpx
from aiosmtplib import SMTP
from httpx_aiohttp import AiohttpTransport
from jinja2 import Environment
from sqlalchemy import text

from evals.bench.shop import MONDAY, URL
from evals.bench.sinks import Sink
from memory.schema import to_micros
from memory.store import Store
from tools.channels.channel import Outgoing

_WEEK_MICROS = 7 * 24 * 3600 * 1_000_000
_TEXT = "{% if name %}{{ name }}, your{% else %}Your{% endif %} favourites are here.\nUnsubscribe: {{ url }}\n"
_PAGE = (
    "<html><body><h1>We would love to see you again</h1><p>{% if name %}{{ name }}, your{% else %}Your{% endif %} "
    'favourites are here.</p><p><a href="{{ url }}">Unsubscribe</a> Maple &amp; Finch</p></body></html>'
)
_SENT = "CREATE TABLE bench_sent (contact_id BIGINT NOT NULL, at BIGINT NOT NULL, state VARCHAR(16) NOT NULL)"


def raw_http(sink: Sink, ready: Sequence[Outgoing], secret: str, *, batch: int, connections: int) -> float:
    """Seconds that Noria's HTTP client takes for these messages when there is nothing else to do.

    ``batch``: messages in one request, 0 for one request for each.
    """
    groups = [ready[start : start + (batch or 1)] for start in range(0, len(ready), batch or 1)]
    requests = deque(_request(group, secret, batched=bool(batch)) for group in groups)

    async def run() -> float:
        transport = AiohttpTransport(trust_env=False)
        async with httpx.AsyncClient(transport=transport, timeout=30, trust_env=False) as client:

            async def work() -> None:
                while requests:
                    body, headers = requests.popleft()
                    response = await client.post(sink.url, content=body, headers=headers)
                    response.raise_for_status()

            return await _timed(work, connections)

    return asyncio.run(run())


def raw_smtp(sink: Sink, ready: Sequence[Outgoing], *, connections: int) -> float:
    """Seconds that Noria's SMTP client takes for these messages when there is nothing else to do."""
    waiting = deque(ready)

    async def work() -> None:
        async with SMTP(hostname="127.0.0.1", port=sink.port, start_tls=False) as client:
            while waiting:
                one = waiting.popleft()
                await client.sendmail(one.sender, [one.address], one.content)

    return asyncio.run(_timed(work, connections))


def prepare_plain(store: Store) -> None:
    """The one table that the plain loop needs of its own."""
    with store.write() as connection:
        connection.execute(text(_SENT))
        connection.execute(text("CREATE INDEX bench_sent_contact ON bench_sent (contact_id, at)"))


def plain(store: Store, ids: Sequence[int], sink: Sink, *, way: str) -> float:
    """Seconds of a loop over contacts: look up whether each may be written to, render, send, insert a row, commit.

    Its rows are read and written with the driver itself, on the same database with the same durability.
    """
    words, page = Environment(autoescape=False).from_string(_TEXT), Environment(autoescape=True).from_string(_PAGE)  # noqa: S701 - plain text
    mark = "?" if store.is_sqlite else "%s"
    person = f"SELECT email, email_hash, first_name FROM contacts WHERE contact_id = {mark}"  # noqa: S608 - a fixed mark
    agreed = (
        f"SELECT state FROM consent_current WHERE contact_id = {mark} AND channel = 'email' AND purpose = 'marketing'"  # noqa: S608
    )
    blocked = f"SELECT 1 FROM suppressions WHERE channel = 'email' AND address_hash = {mark}"  # noqa: S608
    recent = f"SELECT count(*) FROM bench_sent WHERE contact_id = {mark} AND at > {mark}"  # noqa: S608
    keep = f"INSERT INTO bench_sent VALUES ({mark}, {mark}, 'sent')"  # noqa: S608
    now = to_micros(MONDAY)
    connection = store.engine.raw_connection()
    client = (
        httpx.Client(timeout=30, trust_env=False) if way == "http" else smtplib.SMTP("127.0.0.1", sink.port, timeout=30)
    )
    send = _http_sender(client, sink) if isinstance(client, httpx.Client) else _smtp_sender(client)
    try:
        cursor = connection.cursor()
        begun = time.perf_counter()
        for one in ids:
            if store.is_sqlite:
                cursor.execute("BEGIN IMMEDIATE")
            cursor.execute(person, (one,))
            email, hashed, name = cursor.fetchone() or ("", "", "")
            cursor.execute(agreed, (one,))
            state = cursor.fetchone()
            cursor.execute(blocked, (hashed,))
            stopped = cursor.fetchone()
            cursor.execute(recent, (one, now - _WEEK_MICROS))
            [sent] = cursor.fetchone() or (0,)
            if state is None or state[0] != "granted" or stopped or sent >= 3:
                connection.rollback()
                continue
            url = f"{URL}/unsubscribe/{one}"
            send(email, words.render(name=name, url=url), page.render(name=name, url=url))
            cursor.execute(keep, (one, now))
            connection.commit()
        return time.perf_counter() - begun
    finally:
        connection.close()
        client.close()


def _request(group: Sequence[Outgoing], secret: str, *, batched: bool) -> tuple[bytes, dict[str, str]]:
    documents = [
        {"key": one.message_key, "channel": "email", **one.fields, "from": one.sender, "to": one.address}
        for one in group
    ]
    body = json.dumps({"messages": documents} if batched else documents[0]).encode()
    seal = hmac.digest(secret.encode(), b"0." + body, hashlib.sha256).hex()
    return body, {
        "Content-Type": "application/json",
        "Idempotency-Key": group[0].message_key,
        "Noria-Timestamp": "0",
        "Noria-Signature": f"v1={seal}",
    }


async def _timed(work: Callable[[], Awaitable[None]], workers: int) -> float:
    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return time.perf_counter() - begun


def _http_sender(client: httpx.Client, sink: Sink) -> Callable[[str, str, str], None]:
    def send(to: str, words: str, page: str) -> None:
        message = {"key": to, "to": to, "subject": "It has been a while", "text": words, "html": page}
        client.post(sink.url, json=message).raise_for_status()

    return send


def _smtp_sender(client: smtplib.SMTP) -> Callable[[str, str, str], None]:
    def send(to: str, words: str, page: str) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "hello@shop.example.com", to, "It has been a while"
        mail.set_content(words)
        mail.add_alternative(page, subtype="html")
        client.send_message(mail)

    return send
