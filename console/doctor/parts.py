"""The examination of a workspace: settings, record, clock, playbooks, channel, model."""

from __future__ import annotations

import shutil
import smtplib
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
from dns.resolver import Resolver
from sqlalchemy import func, select

from console.doctor.diagnosis import Diagnosis, elsewhere, failure, warning, well
from console.doctor.sender import check_sender
from console.settings import SmtpSettings, is_loopback
from console.sync import can_be_asked
from console.wiring import Workspace
from memory import campaigns, codes, contacts, journal, reputation
from memory.consents import count_current
from memory.errors import NoriaError
from memory.store import Store
from memory.syncs import standings
from memory.workspace import read_switch, read_troubles
from tools.channels.provider import ProviderChannel
from tools.channels.vendors import VENDORS

_LOW_SPACE_BYTES = 1_000_000_000
_PATIENCE_SECONDS = 5.0
_CLOCK_TOLERANCE = timedelta(minutes=5)
_APART = timedelta(minutes=1)
_LATE = 8
"""Pulls that may be missed before somebody is told."""


def examine(workspace: Workspace, resolver: Resolver | None = None) -> Iterator[Diagnosis]:
    """Examine each part in turn; one that breaks does not hide the next."""
    parts: list[tuple[str, Callable[[], Iterator[Diagnosis]]]] = [
        ("brand", lambda: _brand(workspace)),
        ("store", lambda: _store(workspace)),
        ("lake", lambda: _lake(workspace)),
        ("clock", lambda: _clock(workspace)),
        ("policy pack", lambda: _pack(workspace)),
        ("playbooks", lambda: _playbooks(workspace)),
        ("channel", lambda: _channels(workspace)),
        ("systems", lambda: _systems(workspace)),
        ("sender", lambda: _sender(workspace, resolver)),
        ("model", lambda: _model(workspace)),
    ]
    yield well("settings", f"noria.toml of {workspace.settings.name} is valid.")
    for name, check in parts:
        try:
            yield from check()
        except NoriaError as error:
            yield failure(name, f"{error.where}: {error.what}" if error.where else error.what, error.remedy)


def _brand(workspace: Workspace) -> Iterator[Diagnosis]:
    brand = workspace.brand
    left = brand.left_from(workspace.example_brand)
    if left:
        sentence = f"The brand file still says what the example says: {', '.join(left)}."
        if workspace.settings.reaches_people:
            yield failure("brand", f"{sentence} Nothing will be launched.", "Fill in brand.yaml.")
        else:
            yield warning("brand", sentence, "Fill in brand.yaml; nothing is launched to people before.")
    else:
        yield well("brand", f"{brand.name}, from {brand.sender_address}.")


def _store(workspace: Workspace) -> Iterator[Diagnosis]:
    store = workspace.store
    with store.write() as connection:
        people = contacts.count(connection)
        allowed = count_current(connection, "email", "marketing")["granted"]
        chain = journal.verify(connection)
        switch = read_switch(connection)
        troubles = read_troubles(connection)
        troubled = [one for one in reputation.standings(connection).values() if one.state != "fine"]
        low = [pool for pool in codes.pools(connection) if pool.is_low]
    yield well("store", f"{store.safe_url}: readable, writable, {people} contacts.")
    if people and not allowed:
        yield warning(
            "consent",
            "No contact has a proven consent to marketing by e-mail, so nobody may be written to.",
            "Import consents with their proof: noria import consents.csv",
        )
    for pool in low:
        yield warning(
            "codes",
            f"The pool of the offer {pool.offer_id} runs low: {pool.left} of {pool.codes} codes are left.",
            "Import more with `noria import`; messages without a code are held until their deadline.",
        )
    if not chain.intact:
        remedy = "Restore a backup made before, and find out who could write to the store."
        yield failure("journal", f"The chain is broken at line {chain.broken_at}: {chain.reason}.", remedy)
    else:
        yield well("journal", f"{chain.entries} lines, intact.")
    if switch.stopped:
        yield warning("switch", "All sending is stopped.", "`noria resume` allows it again.")
    for mail in troubled:
        sentence = f"Mail of {mail.sender} to {mail.where} is {mail.state} since {mail.since:%d %B %Y}: {mail.reason}."
        remedy = f"Find out why; then `noria reputation resume {mail.sender} --reason …`."
        yield (failure if mail.state == "stopped" else warning)("reputation", sentence, remedy)
    for one in troubles:
        said = " ".join(filter(None, (f"({one.error})", one.where, one.what)))
        sentence = f"“{one.part}” failed in its last {one.rounds} rounds, since {one.since:%d %B %Y %H:%M} UTC: {said}"
        yield failure("worker", sentence, one.remedy or "Read the log of `noria work`; the other parts go on.")
    free = shutil.disk_usage(workspace.folder).free
    if free < _LOW_SPACE_BYTES:
        yield warning("disk", f"Only {free // 1_000_000} MB are free.", "Make room before it is full.")


def _lake(workspace: Workspace) -> Iterator[Diagnosis]:
    orders = workspace.lake.connect().table("orders").count().to_pyarrow().as_py()
    if not orders:
        yield warning("lake", "It holds no orders, so no opportunity can be found.", "Import them: noria import FOLDER")
    else:
        yield well("lake", f"{int(orders)} orders.")


def _clock(workspace: Workspace) -> Iterator[Diagnosis]:
    now = workspace.clock.now()
    if abs(now - datetime.now(UTC)) > _CLOCK_TOLERANCE:
        yield warning(
            "clock",
            f"This workspace keeps its own time: {now:%d %B %Y %H:%M} UTC.",
            "Right for a demo; a real workspace must not have one.",
        )
    else:
        yield well("clock", f"{now:%d %B %Y %H:%M} UTC, the machine's own.")
    yield from compare_clocks(workspace.store, datetime.now(UTC))


def compare_clocks(store: Store, now: datetime) -> Iterator[Diagnosis]:
    """Where machines share a database, their clocks must agree: leases use real time."""
    with store.read() as connection:
        if connection.dialect.name != "postgresql":
            return
        theirs = connection.execute(select(func.clock_timestamp())).scalar_one()
    apart = abs(theirs - now)
    if apart > _APART:
        yield failure(
            "clock",
            f"This machine and the database are {apart.total_seconds():.0f} seconds apart.",
            "Let both keep their time by NTP before two workers run.",
        )
    else:
        yield well("clock", "This machine and the database agree.")


def _pack(workspace: Workspace) -> Iterator[Diagnosis]:
    pack = workspace.pack
    yield well("policy pack", f"{pack.name}, version {pack.version}, {len(pack.rules)} rules.")
    with workspace.store.read() as connection:
        held = [one.campaign_id for one in campaigns.approved_under_another(connection, pack.version)]
    if held:
        yield warning(
            "policy pack",
            f"The messages of {', '.join(held)} wait: people approved {'it' if len(held) == 1 else 'them'} under "
            "another policy.",
            "Run `noria campaigns edit ID --renew` for each, and approve what it proposes; or stop the campaign.",
        )


def _playbooks(workspace: Workspace) -> Iterator[Diagnosis]:
    yield well("playbooks", ", ".join(sorted(workspace.playbooks)))


def _channels(workspace: Workspace) -> Iterator[Diagnosis]:
    settings = workspace.settings
    for name, way in settings.ways.items():
        part = "channel" if name == "email" else f"channel {name}"
        if way.kind == "sandbox":
            yield well(part, f"sandbox: messages become files in {workspace.folder / 'outbox'}.")
            continue
        if way.kind in settings.sync.systems:
            continue  # asked as a system
        channel = workspace.channels[name] if workspace.may_send else None  # refuses what must not be started
        if isinstance(channel, ProviderChannel):
            yield _provider(part, channel)
        elif way.provider is not None:
            yield elsewhere(part, "Its key is held by the worker: run `noria doctor` where that runs.")
        if way.provider is not None:
            vendor = VENDORS[way.kind]
            if not workspace.holds(vendor.webhook_name):
                sentence = f"{vendor.title} has nobody to report to: bounces and complaints stay unknown."
                yield warning(part, sentence, f"Set {vendor.webhook_name}, as {vendor.page} says.")
            continue
        yield _endpoint(part, way.url) if way.kind == "http" else _mail_server(part, settings.channel.smtp)
    if any(way.kind != "sandbox" for way in settings.ways.values()) and not settings.public_url:
        yield warning("public address", "public_url is not set.", "Contacts need an address to unsubscribe.")
    yield from _reach(workspace)


def _systems(workspace: Workspace) -> Iterator[Diagnosis]:
    """The systems that the record is fed from."""
    now, patience = workspace.clock.now(), _LATE * workspace.settings.sync.every_minutes
    with workspace.store.read() as connection:
        states = {(one.system, one.thing): one for one in standings(connection)}
    for name in workspace.settings.sync.systems:
        part = f"system {name}"
        if not workspace.may_send:
            yield elsewhere(part, "Its key is held by the worker: run `noria doctor` where that runs.")
            continue
        lets_in, sentence, remedy = can_be_asked(workspace, name)
        yield well(part, sentence) if lets_in else failure(part, sentence, remedy)
        for (system, thing), one in states.items():
            since = one.complete_at or one.began_at
            if system == name and since is not None and now - since > timedelta(minutes=patience):
                said = one.trouble or "Is `noria work` running?"
                yield warning(
                    part, f"Its {thing} were last read to the end long ago: {since:%d %B %Y %H:%M} UTC.", said
                )


def _reach(workspace: Workspace) -> Iterator[Diagnosis]:
    """Channels that are there while nobody may be written to on them."""
    with workspace.store.read() as connection:
        for name, word in (("sms", "text messages"), ("audience", "advertising audiences")):
            if name in workspace.settings.ways and not count_current(connection, name, "marketing")["granted"]:
                sentence = f"No contact has a proven consent to {word}, so the channel has nobody to reach."
                remedy = f"Import consents with their proof and the channel {name}: noria import consents.csv"
                yield warning("consent", sentence, remedy)


def _endpoint(part: str, url: str) -> Diagnosis:
    """Without a signature nothing can be delivered, so asking does no harm."""
    try:
        status = httpx.post(url, json={}, timeout=_PATIENCE_SECONDS).status_code
    except httpx.HTTPError as error:
        remedy = "Check url, and that the endpoint runs."
        return failure(part, f"{url} does not answer ({type(error).__name__}).", remedy)
    if status < httpx.codes.BAD_REQUEST:
        return failure(
            part,
            f"{url} took an unsigned request (status {status}): anybody can send in your name.",
            "Make the endpoint check the signature: operators.md, “An HTTP channel”.",
        )
    if status in {404, 405}:
        return failure(part, f"{url} takes no messages: status {status}.", "Correct url.")
    return well(part, f"{url} answers and turns away what is not signed; nothing was sent.")


def _provider(part: str, channel: ProviderChannel) -> Diagnosis:
    """A request without a message: whoever may send is told that one is missing, whoever may not is turned away."""
    post, vendor = channel.empty(), channel.vendor
    try:
        answer = httpx.post(post.url, content=post.content, headers=post.headers, timeout=_PATIENCE_SECONDS)
    except httpx.HTTPError as error:
        return failure(
            part, f"{vendor.title} does not answer ({type(error).__name__}).", "Check this machine's network."
        )
    status = answer.status_code
    if status in {401, 403}:
        remedy = f"Check {vendor.key_name}; it needs {vendor.scope} ({vendor.page})."
        return failure(part, f"{vendor.title} refuses the key: status {status}.", remedy)
    if status == httpx.codes.NOT_FOUND:
        return failure(part, f"{vendor.title} knows no such account or domain: status 404.", f"See {vendor.page}.")
    if status == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        return warning(part, f"{vendor.title} is busy: status {status}.", "Run `noria doctor` again in a minute.")
    return well(part, f"{vendor.title} takes the key; nothing was sent.")


def _mail_server(part: str, smtp: SmtpSettings | None) -> Diagnosis:
    assert smtp is not None
    where = f"{smtp.host}:{smtp.port}"
    try:
        if smtp.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                smtp.host, smtp.port, timeout=_PATIENCE_SECONDS, context=ssl.create_default_context()
            )
        else:
            server = smtplib.SMTP(smtp.host, smtp.port, timeout=_PATIENCE_SECONDS)
        with server:
            if smtp.security == "starttls":
                server.starttls(context=ssl.create_default_context())
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        remedy = "Check host, port and security in [channel.smtp], and that the server runs."
        return failure(part, f"{where} does not answer: {error}.", remedy)
    return well(part, f"{where} answers; nothing was sent.")


def _sender(workspace: Workspace, resolver: Resolver | None) -> Iterator[Diagnosis]:
    smtp = workspace.settings.channel.smtp
    if workspace.settings.channel.kind != "smtp" or smtp is None or is_loopback(smtp.host):
        return
    if resolver is None:
        resolver = Resolver()
        resolver.lifetime = _PATIENCE_SECONDS
    yield from check_sender(workspace.brand.sender_address, smtp.dkim_selector, resolver)


def _model(workspace: Workspace) -> Iterator[Diagnosis]:
    section = workspace.settings.model
    if section is None:
        yield well("model", "none configured: the deterministic writer works.")
        return
    url = section.base_url.rstrip("/") + "/models"
    try:
        status = httpx.get(url, timeout=_PATIENCE_SECONDS).status_code
    except httpx.HTTPError as error:
        remedy = "Start it or correct base_url; until then the deterministic writer works, and proposals say so."
        yield warning("model", f"{section.base_url} does not answer ({type(error).__name__}).", remedy)
        return
    # 401 and 404 still show that a server listens there; the key is only shown to it when agents work.
    yield well("model", f"{section.name} at {section.base_url} answers with status {status}.")
