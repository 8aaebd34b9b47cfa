"""The doctor against a real name server and a real mail server on this machine."""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest
from dns.resolver import Resolver

from console.cli.setup import make_workspace
from console.doctor.parts import compare_clocks, examine
from console.doctor.sender import check_sender
from console.wiring import EXAMPLE_BRAND, Workspace
from evals.demo.mail_server import mail_server
from memory import codes
from memory.schema import EPOCH, contacts, offers
from memory.store import Store
from tests.tools.channels.http_server import SECRET, Endpoint

KEY = base64.b64encode(b"k" * 294).decode()
SHORT_KEY = base64.b64encode(b"k" * 94).decode()
SOUND = {
    "shop.example.": ["v=spf1 include:mail.example -all"],
    "s1._domainkey.shop.example.": [f"v=DKIM1; k=rsa; p={KEY}"],
    "_dmarc.shop.example.": ["v=DMARC1; p=none; rua=mailto:x@shop.example"],
}


class NameServer(socketserver.ThreadingUDPServer):
    """Answers TXT questions from a table."""

    daemon_threads = True

    def __init__(self, records: dict[str, list[str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Answerer)
        self.records = records


class _Answerer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, connection = self.request
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        name = str(query.question[0].name)
        assert isinstance(self.server, NameServer)
        texts = self.server.records.get(name)
        if texts is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        else:
            quoted = [" ".join(f'"{text[i : i + 200]}"' for i in range(0, len(text), 200)) for text in texts]
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", *quoted))
        connection.sendto(reply.to_wire(), self.client_address)


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer(dict(SOUND)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def resolver(names: NameServer) -> Resolver:
    found = Resolver(configure=False)
    found.nameservers = ["127.0.0.1"]
    found.port = names.server_address[1]
    found.lifetime = 2
    return found


def states(names: NameServer, address: str = "hello@shop.example", selector: str = "s1") -> dict[str, str]:
    return {one.part: one.state for one in check_sender(address, selector, resolver(names))}


def test_a_sender_with_all_three_records_is_well(names: NameServer) -> None:
    assert states(names) == {"SPF": "well", "DKIM": "well", "DMARC": "well"}


def test_a_subdomain_inherits_dmarc_from_its_parent(names: NameServer) -> None:
    names.records["news.shop.example."] = ["v=spf1 -all"]
    assert states(names, "hello@news.shop.example")["DMARC"] == "well"


@pytest.mark.parametrize(
    ("name", "texts", "part"),
    [
        ("shop.example.", None, "SPF"),
        ("shop.example.", ["v=spf1 -all", "v=spf1 ~all"], "SPF"),
        ("shop.example.", ["v=spf1 +all"], "SPF"),
        ("s1._domainkey.shop.example.", None, "DKIM"),
        ("s1._domainkey.shop.example.", ["v=DKIM1; p="], "DKIM"),
        ("s1._domainkey.shop.example.", [f"v=DKIM1; k=rsa; p={SHORT_KEY}"], "DKIM"),
        ("s1._domainkey.shop.example.", ["v=DKIM1; p=not base64!"], "DKIM"),
        ("_dmarc.shop.example.", None, "DMARC"),
        ("_dmarc.shop.example.", ["v=DMARC1; p=maybe"], "DMARC"),
    ],
)
def test_each_missing_or_wrong_record_is_a_failure(
    names: NameServer, name: str, texts: list[str] | None, part: str
) -> None:
    if texts is None:
        del names.records[name]
    else:
        names.records[name] = texts
    found = states(names)
    assert found.pop(part) == "failure"
    assert set(found.values()) == {"well"}


def test_an_unknown_selector_is_a_warning(names: NameServer) -> None:
    assert states(names, selector="")["DKIM"] == "warning"


def test_name_servers_that_do_not_answer_prove_nothing(names: NameServer) -> None:
    deaf = resolver(names)
    deaf.port = 1
    assert [one.state for one in check_sender("hello@shop.example", "s1", deaf)] == ["warning"]


def workspace(folder: Path, port: int, host: str = "127.0.0.1") -> Workspace:
    made = make_workspace(folder / "w", name="Shop", currency="EUR", zone="Europe/Paris")
    settings = made / "noria.toml"
    settings.write_text(
        'name = "Shop"\npublic_url = "https://news.our-shop.fr"\n[channel]\nkind = "smtp"\n'
        f'[channel.smtp]\nhost = "{host}"\nport = {port}\n'
        'security = "none"\n[model]\nbase_url = "http://127.0.0.1:9/v1"\nname = "m"\n',
        encoding="utf-8",
    )
    return Workspace(made, {})


FILLED_IN = """\
name: Our shop
sender_name: Our shop
sender_address: hello@our-shop.fr
postal_address: 1 rue de la Paix, Paris
website: https://our-shop.fr/
"""


def brand_example_claim() -> str:
    """What the example claims, as it stands in its file."""
    lines = EXAMPLE_BRAND.read_text(encoding="utf-8").splitlines(keepends=True)
    begins = lines.index("facts:\n")
    return "".join(lines[begins : lines.index("\n", begins)])


@pytest.mark.parametrize(("host", "state"), [("127.0.0.1", "warning"), ("mail.invalid", "failure")])
def test_a_brand_that_is_still_the_example_is_told_of(tmp_path: Path, host: str, state: str) -> None:
    made = workspace(tmp_path, 9, host).folder
    found = next(one for one in examine(Workspace(made, {})) if one.part == "brand")
    assert found.state == state
    assert "name, sender_name, sender_address, reply_to, postal_address, website, facts.returns" in found.sentence
    brand = made / "brand.yaml"
    brand.write_text(FILLED_IN.replace("our-shop.fr", "news.example.com", 1), encoding="utf-8")
    found = next(one for one in examine(Workspace(made, {})) if one.part == "brand")
    assert (found.state, found.sentence.count("sender_address")) == (state, 1)
    claim = brand_example_claim()
    brand.write_text(FILLED_IN + claim, encoding="utf-8")
    found = next(one for one in examine(Workspace(made, {})) if one.part == "brand")
    assert (found.state, "example says: facts.returns." in found.sentence) == (state, True)
    brand.write_text(FILLED_IN + claim.replace("Jane Marlow", "Marie Petit"), encoding="utf-8")
    assert next(one for one in examine(Workspace(made, {})) if one.part == "brand").state == "well"


@pytest.mark.parametrize(("host", "guarded"), [("127.0.0.1", False), ("mail.invalid", True)])
def test_only_where_mail_reaches_people_a_launch_refuses_the_example(tmp_path: Path, host: str, guarded: bool) -> None:
    opened = workspace(tmp_path, 9, host)
    assert (opened.workplace.example_brand is not None) is guarded


def test_a_mail_server_that_answers_is_well_and_gets_no_mail(tmp_path: Path) -> None:
    with mail_server(tmp_path / "mails") as server:
        found = {one.part: one for one in examine(workspace(tmp_path, server.port))}
        assert found["channel"].state == "well"
        assert not server.received


@pytest.mark.parametrize("checks", [True, False])
def test_an_endpoint_is_well_only_if_it_turns_away_what_is_not_signed(tmp_path: Path, checks: bool) -> None:
    with Endpoint() as server:
        made = workspace(tmp_path, 9).folder
        with (made / "noria.toml").open("a", encoding="utf-8") as settings:
            settings.write(f'[channels.sms]\nkind = "http"\nurl = "{server.url}"\n')
        server.faults = [] if checks else [204]
        found = {one.part: one for one in examine(Workspace(made, {"NORIA_SMS_SECRET": SECRET}))}
        assert found["channel sms"].state == ("well" if checks else "failure")
        assert found["channel"].state == "failure"
        assert not server.delivered
    found = {one.part: one for one in examine(Workspace(made, {"NORIA_SMS_SECRET": SECRET}))}
    assert "does not answer" in found["channel sms"].sentence


def test_what_does_not_answer_is_named_with_a_remedy(tmp_path: Path) -> None:
    found = {one.part: one for one in examine(workspace(tmp_path, 9))}
    assert found["channel"].state == "failure"
    assert "[channel.smtp]" in found["channel"].remedy
    assert found["model"].state == "warning"
    assert "deterministic writer" in found["model"].remedy
    assert all(one.remedy for one in found.values() if one.state != "well")


def test_one_broken_part_does_not_hide_the_others(tmp_path: Path) -> None:
    with mail_server(tmp_path / "mails") as server:
        broken = workspace(tmp_path, server.port)
        (broken.folder / "brand.yaml").write_text("name: [", encoding="utf-8")
        found = {one.part: one for one in examine(broken)}
    assert found["brand"].state == "failure"
    assert found["store"].state == "well"


@pytest.mark.parametrize(("apart", "state"), [(timedelta(), "well"), (timedelta(minutes=5), "failure")])
def test_workers_must_keep_the_time_of_the_database_that_they_share(
    any_store: Store, apart: timedelta, state: str
) -> None:
    said = [one.state for one in compare_clocks(any_store, datetime.now(UTC) + apart)]
    # A file has no clock of its own.
    assert said == ([] if any_store.engine.dialect.name == "sqlite" else [state])


def test_a_pool_of_codes_that_runs_low_is_said(tmp_path: Path) -> None:
    make_workspace(tmp_path / "shop", name="Our shop", currency="EUR", zone="Europe/Paris")
    opened = Workspace(tmp_path / "shop", {})
    with opened.store.write() as connection:
        offer = {"offer_id": "spring", "kind": "gift", "labels": {}, "starts_at": EPOCH, "ends_at": EPOCH}
        connection.execute(offers.insert().values(**offer))
        connection.execute(contacts.insert().values(contact_id=1, created_at=EPOCH, updated_at=EPOCH))
        codes.add(connection, [("spring", "A")])
    assert "codes" not in {one.part for one in examine(opened)}
    with opened.store.write() as connection:
        codes.assign(connection, [(codes.lock_free(connection, "spring", 1)[0], 1, "m")], EPOCH)
    [said] = [one for one in examine(opened) if one.part == "codes"]
    opened.close()
    assert said.state == "warning"
    assert "spring runs low: 0 of 1 codes are left" in said.sentence
