"""Contacts, consents, offers and facts on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from memory import consents, contacts, lessons, offers
from memory.brand import ApprovedFact
from memory.canonical import address_hash
from memory.consents import Consent
from memory.errors import NotFoundError
from memory.lessons import Lesson
from memory.schema import contact_aliases
from memory.schema import contacts as contacts_table
from memory.schema import facts as facts_table
from memory.schema import offers as offers_table
from memory.store import Store
from tests.examples import NOW, brand


def add_contact(store: Store, contact_id: int, email: str | None = None, **values: Any) -> None:
    with store.write() as connection:
        connection.execute(
            insert(contacts_table).values(
                contact_id=contact_id, email=email, attributes={}, created_at=NOW, updated_at=NOW, **values
            )
        )


def consent(state: Any, days: int, contact_id: int = 1, proof: str = "form 12") -> Consent:
    return Consent(
        contact_id=contact_id,
        channel="email",
        purpose="marketing",
        state=state,
        at=NOW + timedelta(days=days),
        proof=proof,
    )


def counts(store: Store) -> dict[str, int]:
    with store.read() as connection:
        return consents.count_current(connection, "email", "marketing")


@pytest.mark.parametrize(
    ("entries", "in_force"),
    [
        ([("granted", 1)], "granted"),
        ([("granted", 1), ("withdrawn", 2)], "withdrawn"),
        ([("withdrawn", 1), ("granted", 2)], "granted"),
        ([("withdrawn", 2), ("granted", 1)], "withdrawn"),
        ([("granted", 1), ("withdrawn", 1)], "withdrawn"),
        ([("withdrawn", 1), ("granted", 1)], "withdrawn"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_the_newest_consent_is_in_force_in_whatever_order_it_arrives(
    any_store: Store, entries: list[tuple[str, int]], in_force: str, at_once: bool
) -> None:
    add_contact(any_store, 1)
    rows = [consent(state, days) for state, days in entries]
    for batch in [rows] if at_once else [[row] for row in rows]:
        with any_store.write() as connection:
            consents.record(connection, batch)
    assert {state: number for state, number in counts(any_store).items() if number} == {in_force: 1}
    with any_store.read() as connection:
        assert len(consents.history(connection, 1)) == len(entries)


def test_the_same_consent_twice_is_recorded_once(any_store: Store) -> None:
    add_contact(any_store, 1)
    with any_store.write() as connection:
        assert consents.record(connection, [consent("granted", 1)]) == 1
        assert consents.record(connection, [consent("granted", 1)]) == 0


def test_a_consent_without_proof_is_counted_apart(any_store: Store) -> None:
    add_contact(any_store, 1)
    with any_store.write() as connection:
        consents.record(connection, [consent("granted", 1, proof="")])
    assert counts(any_store) == {"granted": 0, "granted_without_proof": 1, "withdrawn": 0}


@pytest.mark.parametrize(
    ("entries", "counted"),
    [
        # An export that says yes again, without its proof, takes nothing from the form that proves it.
        ([("granted", 1, "form 12"), ("granted", 2, "")], "granted"),
        ([("granted", 2, ""), ("granted", 1, "form 12")], "granted"),
        ([("granted", 1, ""), ("granted", 2, "form 12")], "granted"),
        # A proof from before they left proves nothing after it.
        ([("granted", 1, "form 12"), ("withdrawn", 2, ""), ("granted", 3, "")], "granted_without_proof"),
        ([("granted", 1, "form 12"), ("granted", 2, ""), ("withdrawn", 3, "")], "withdrawn"),
    ],
)
def test_of_the_grants_since_the_last_withdrawal_the_proved_one_holds(
    any_store: Store, entries: list[tuple[str, int, str]], counted: str
) -> None:
    add_contact(any_store, 1)
    for state, days, proof in entries:
        with any_store.write() as connection:
            consents.record(connection, [consent(state, days, proof=proof)])
    assert {what: number for what, number in counts(any_store).items() if number} == {counted: 1}
    if counted == "granted":
        [proved_at] = [days for _, days, proof in entries if proof]
        with any_store.read() as connection:
            told = consents.in_force(connection, [1], "email", "marketing")[1]
        assert (told.at, told.has_proof) == (NOW + timedelta(days=proved_at), True)


def test_a_contact_is_found_by_address_alias_or_id(any_store: Store) -> None:
    add_contact(any_store, 7, "ann@example.com")
    with any_store.write() as connection:
        connection.execute(insert(contact_aliases).values(source="shop", alias="C-7", contact_id=7))
        assert {contacts.find(connection, name).contact_id for name in ("Ann@Example.com", "C-7", "7")} == {7}
        with pytest.raises(NotFoundError):
            contacts.find(connection, "nobody@example.com")


def test_a_merged_contact_answers_to_every_name_and_keeps_the_newest_consent(any_store: Store) -> None:
    add_contact(any_store, 1, last_human_signal_at=NOW, first_name="")
    add_contact(any_store, 2, "ann@example.com", first_name="Ann")
    with any_store.write() as connection:
        connection.execute(insert(contact_aliases).values(source="web", alias="anon-1", contact_id=2))
        consents.record(connection, [consent("granted", 1), consent("withdrawn", 2, contact_id=2)])
        contacts.merge(connection, kept=1, merged=2, actor="noria", at=NOW)
        for name in ("ann@example.com", "anon-1", "2"):
            assert contacts.find(connection, name).contact_id == 1
        kept = contacts.get(connection, 1)
        assert (kept.email, kept.first_name, kept.last_human_signal_at) == ("ann@example.com", "Ann", NOW)
        assert contacts.count(connection) == 1
    assert counts(any_store) == {"granted": 0, "granted_without_proof": 0, "withdrawn": 1}


def test_a_suppressed_address_stays_so_under_any_spelling(any_store: Store) -> None:
    with any_store.write() as connection:
        for address, new in (("Ann@Example.com ", True), ("ann@example.com", False)):
            hashed = address_hash("salt", address)
            assert contacts.suppress(connection, channel="email", address_hash=hashed, reason="manual", at=NOW) is new


def offer(offer_id: str, **values: Any) -> dict[str, Any]:
    return {
        "offer_id": offer_id,
        "kind": "percent",
        "value": 1000,
        "labels": {"en": "10 % off", "fr": "10 % de remise"},
        "starts_at": NOW,
        "ends_at": NOW + timedelta(days=10),
        "approved_by": "ann",
        **values,
    }


@pytest.mark.parametrize(
    ("values", "days", "is_open"),
    [({}, 0, True), ({}, 9, True), ({}, -1, False), ({}, 10, False), ({"approved_by": ""}, 0, False)],
)
def test_only_approved_offers_in_date_are_open(
    any_store: Store, values: dict[str, Any], days: int, is_open: bool
) -> None:
    with any_store.write() as connection:
        connection.execute(insert(offers_table).values(**offer("spring", **values)))
        assert bool(offers.open_offers(connection, NOW + timedelta(days=days))) is is_open


def test_an_unapproved_offer_cannot_be_read(any_store: Store) -> None:
    with any_store.write() as connection:
        connection.execute(insert(offers_table).values(**offer("spring")))
        connection.execute(insert(offers_table).values(**offer("draft", approved_by="")))
        assert offers.read_offer(connection, "spring").value == 1000
        with pytest.raises(NotFoundError, match="who approved it"):
            offers.read_offer(connection, "draft")


def test_facts_hold_until_their_date_and_only_if_approved(any_store: Store) -> None:
    rows: list[dict[str, Any]] = [
        {"fact_id": "a", "language": "en", "text": "Founded in 1987.", "approved_by": "ann", "valid_until": None},
        {"fact_id": "b", "language": "en", "text": "Old.", "approved_by": "ann", "valid_until": NOW},
        {"fact_id": "c", "language": "en", "text": "Unchecked.", "approved_by": "", "valid_until": None},
        {"fact_id": "a", "language": "fr", "text": "Fondée en 1987.", "approved_by": "ann", "valid_until": None},
    ]
    with any_store.write() as connection:
        connection.execute(insert(facts_table), rows)
        found = offers.approved_facts(connection, NOW)
        assert [(fact.fact_id, fact.language) for fact in found] == [("a", "en"), ("a", "fr")]
        assert [fact.text for fact in offers.approved_facts(connection, NOW, "fr")] == ["Fondée en 1987."]


def lesson(**values: Any) -> Lesson:
    return Lesson.model_validate(
        {
            "lesson_id": "l1",
            "campaign_id": None,
            "readout_id": None,
            "playbook": "win_back",
            "segment": "lapsed customers",
            "lever": "creative_angle",
            "level": "reminder",
            "goal": "order",
            "channel": "email",
            "effect": 0.1,
            "standard_error": 0.3,
            "contacts": 100,
            "conversions": 5,
            "verdict": "inconclusive",
            "text": {"en": "Nothing was proven."},
            "evidence": {"look": 4},
            "observed_from": NOW,
            "observed_to": NOW,
            "expires_at": NOW + timedelta(days=365),
            "created_at": NOW,
            **values,
        }
    )


def test_a_lesson_is_usable_until_it_expires_or_is_withdrawn(any_store: Store) -> None:
    with any_store.write() as connection:
        assert lessons.write(connection, lesson(), at=NOW)
        assert not lessons.write(connection, lesson(), at=NOW)
        assert lessons.usable(connection, NOW) == [lesson()]
        assert lessons.usable(connection, NOW, playbook="cross_sell") == []
        assert lessons.usable(connection, NOW + timedelta(days=365)) == []
        lessons.set_state(connection, "l1", "withdrawn", reason="wrong prices", actor="cli:ann", at=NOW)
        assert lessons.usable(connection, NOW) == []
        assert lessons.get(connection, "l1").state_reason == "wrong prices"
        with pytest.raises(NotFoundError):
            lessons.set_state(connection, "l2", "withdrawn", reason="", actor="cli:ann", at=NOW)


def test_the_claims_of_the_brand_file_replace_its_earlier_ones_and_nobody_elses(any_store: Store) -> None:
    returns = ApprovedFact(id="returns", texts={"en": "Returns within 30 days."}, approved_by="Jane")
    with any_store.write() as connection:
        connection.execute(insert(facts_table).values(fact_id="a", language="en", text="Old.", approved_by="ann"))
        assert offers.keep_brand_facts(connection, brand(facts=(returns,))) == 1
        assert offers.keep_brand_facts(connection, brand(facts=(returns,))) == 1
        assert [fact.fact_id for fact in offers.approved_facts(connection, NOW)] == ["a", "brand-returns"]
        assert offers.keep_brand_facts(connection, brand()) == 0
        assert [fact.fact_id for fact in offers.approved_facts(connection, NOW)] == ["a"]
