"""A real Tryton: what it has comes in, what changes follows, and what is written back is read by its own client."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from memory.clock import ManualClock
from memory.consents import Consent, record
from memory.schema import consent_current, contact_aliases, contacts, deals
from memory.steps import CrmField, ExitStep, SendStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests.tools.crm.scene import intake, people
from tests.tools.crm.tryton_itself import DATABASE, PASSWORD, fill, running
from tests.tools.scene import NOW, add_contacts, counts, play, start, workplace
from tools.crm.connector import ConnectorError
from tools.crm.connectors import mapping_of
from tools.crm.intake import Intake
from tools.crm.sync import Pulled, pull
from tools.crm.tryton.channel import TrytonChannel
from tools.crm.tryton.connector import Tryton
from tools.crm.tryton.options import TrytonOptions
from tools.worker import tick

SECRETS = {"NORIA_TRYTON_PASSWORD": SecretStr(PASSWORD)}


def options(url: str, **more: str) -> TrytonOptions:
    return TrytonOptions(**{"url": url, "database": DATABASE, "user": "noria", **more})


def read(place: Intake, url: str, folder: Path) -> dict[str, Pulled]:
    connector = Tryton(options(url), dict(SECRETS))
    try:
        return {one.thing: one for one in pull(place, connector, mapping_of("tryton", folder))}
    finally:
        connector.close()


# One test, since each part of it would start a Tryton of its own on another processor.
@pytest.mark.slow(seconds=70)
def test_a_tryton_is_read_and_written_to(store: Store, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proteus = pytest.importorskip("proteus", reason="Tryton is not installed: it was NOT read")
    (tmp_path / "tryton").mkdir()
    # Another record, still empty: its business time is not Tryton's.
    campaigns = tmp_path / "campaigns.db"
    campaigns.write_bytes((tmp_path / "store.db").read_bytes())
    with running(tmp_path / "tryton") as url, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proteus.config.set_xmlrpc(f"{url.replace('//', f'//admin:{PASSWORD}@')}/{DATABASE}/rpc/")
        fill(proteus)
        lets_in_whom_it_knows(url)
        place = intake(store, tmp_path, ManualClock(datetime.now(UTC)))
        comes_in(place, url, tmp_path, proteus)
        follows(place, url, tmp_path, proteus)
        writes_back(Store(f"sqlite:///{campaigns}"), url, tmp_path, proteus)


def lets_in_whom_it_knows(url: str) -> None:
    connector = Tryton(options(url), dict(SECRETS))
    assert connector.check() == "Tryton lets us in; parties and opportunities can be read."
    assert {"code", "lang"} <= {one.name for one in connector.properties("contacts")}
    connector.close()
    for wrong, said in ({"user": "nobody"}, "does not let nobody in"), ({"database": "none"}, "no such database"):
        connector = Tryton(options(url, **wrong), dict(SECRETS))
        with pytest.raises(ConnectorError, match=said):
            connector.check()
        connector.close()


def comes_in(place: Intake, url: str, folder: Path, proteus: Any) -> None:
    (ann,) = proteus.Model.get("party.party").find([("name", "=", "Ann Lee")])
    (company,) = proteus.Model.get("company.company").find()
    opportunity = proteus.Model.get("sale.opportunity")(party=ann, company=company, description="Roof")
    opportunity.currency, opportunity.amount = company.currency, Decimal("1200.50")
    opportunity.save()
    done = read(place, url, folder)
    assert all(one.complete and not one.trouble for one in done.values()), done
    assert "Ann" in people(place.store, "tryton").values()
    with place.store.read() as connection:
        query = select(contacts).where(contacts.c.email == "contact1@shop.example.com")
        row = connection.execute(query).mappings().one()
        deal = connection.execute(select(deals)).mappings().one()
    assert (row["last_name"], row["language"], row["country"]) == ("Lee", "fr", "FR")
    place_said = {"address": "1 rue X", "postal_code": "75001", "city": "Paris"}
    assert (row["phone"], row["attributes"]) == ("+33600000001", {**place_said, "party_code": ann.code})
    assert (deal["contact_id"], deal["name"], deal["stage"]) == (row["contact_id"], "Roof", "lead")
    assert (deal["amount_cents"], deal["won"], deal["closed_at"]) == (120050, None, None)


def follows(place: Intake, url: str, folder: Path, proteus: Any) -> None:
    """What changes in Tryton: a telephone number alone, an opportunity that is given up, a party that goes."""
    with place.store.write() as connection:
        now = place.clock.now()
        granted = {"channel": "email", "purpose": "marketing", "state": "granted", "proof": "form", "at": now}
        everybody = connection.execute(select(contacts.c.contact_id)).scalars()
        record(connection, [Consent(contact_id=one, **granted) for one in everybody])
    model = proteus.Model.get
    (number,) = model("party.contact_mechanism").find([("value", "=", "+33600000001")])
    number.value = "+33600000009"
    number.save()
    (opportunity,) = model("sale.opportunity").find()
    opportunity.click("cancel")
    (bo,) = model("party.party").find([("name", "=", "Bo Roy")])
    bo.active = False
    bo.save()
    assert isinstance(place.clock, ManualClock)
    place.clock.advance(timedelta(minutes=2))
    done = read(place, url, folder)
    assert done["contacts"].deleted
    with place.store.read() as connection:
        phones = connection.execute(select(contacts.c.phone).where(contacts.c.first_name == "Ann")).scalars().all()
        known = contact_aliases.c.contact_id == consent_current.c.contact_id
        query = select(consent_current.c.state).join(contact_aliases, known)
        here = query.where(contact_aliases.c.source == "tryton", contact_aliases.c.alias == str(bo.id))
        states = connection.execute(here.where(consent_current.c.channel == "email")).scalars().all()
        deal = connection.execute(select(deals)).mappings().one()
    assert (phones, states) == (["+33600000009"], ["withdrawn"])
    assert (deal["stage"], deal["won"]) == ("cancelled", False)


def writes_back(store: Store, url: str, folder: Path, proteus: Any) -> None:
    """Each step once, after the gate; the second contact's party is not active any more, so nothing is written."""
    channel = TrytonChannel(options(url), dict(SECRETS), url=url)
    place = workplace(store, ManualClock(NOW), folder, channels={"crm": channel})
    add_contacts(store, [1, 2])
    fields = {"lead": "Call about tea", "note": "Asked for a sample", "name": "Ann Li"}
    steps = [
        SendStep(key=name, channel="crm", crm_field=CrmField(name=name, value=value)) for name, value in fields.items()
    ]
    sequence = PlaySequence(key="one", title="One", steps=(*steps, ExitStep(key="end")), share=1)
    start(place, play(sequences=(sequence,)), [1, 2])
    for _ in range(5):
        tick(place)
    channel.close()
    store.close()
    assert counts(store) == {"sent": 3, "failed": 3}
    model = proteus.Model.get
    (ann,) = model("party.party").find([("name", "=", "Ann Li")])
    leads = model("sale.opportunity").find([("description", "=", "Call about tea")])
    assert [(one.party.id, one.state) for one in leads] == [(ann.id, "lead")]
    notes = model("ir.note").find([])
    assert [(one.resource.id, one.message) for one in notes] == [(ann.id, "Asked for a sample")]
    with closing(sqlite3.connect(folder / "tryton" / f"{DATABASE}.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM ir_session").fetchone() == (0,)
