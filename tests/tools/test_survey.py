"""The facts of a whole audience, read as columns, are those that the gate would gather for each message."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import insert, update

from memory import cap, preferences
from memory.address import phone_hash
from memory.canonical import address_hash
from memory.clock import ManualClock
from memory.consents import SIMILAR_PRODUCTS, Consent, record
from memory.finding import Verdict
from memory.lake import SCHEMAS, Lake, LakeTable
from memory.play import Goal, Limits, Play
from memory.preferences import Preferences
from memory.schema import contacts, intake, suppressions, to_micros
from memory.steps import Copy, ExitStep, SendStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from memory.workspace import salt
from policies.facts import ApprovalFacts
from policies.guardian import gate_message, sift_messages
from policies.pack import Pack
from tests import examples
from tests.memory.builders import as_rows
from tests.policies.worlds import base_pack, own_pack
from tests.tools.scene import DAY, NOW, Chosen, add_contacts, address, phone, play, start, workplace
from tools.audience import NOT_COUNTED, PREVIEW_URL, PROGRAMME, choose
from tools.gather import Candidate, Ground, gather
from tools.records import LakeRecords
from tools.render import EXAMPLE_CODE
from tools.survey import survey
from tools.worker import tick

IDS = range(1, 121)
SPARSE = [*range(1, 121, 7), 100_000]
"""Far from each other, and one whom nobody knows."""


def live(store: Store, lake: Lake) -> None:
    """Let everything happen to some of the contacts that a rule could ask about."""
    chance = random.Random(7)
    add_contacts(store, IDS)
    add_contacts(store, range(201, 211), consent="")
    with store.write() as connection:
        secret = salt(connection)

        def some(share: float) -> list[int]:
            return [one for one in IDS if chance.random() < share]

        def change(share: float, **values: Any) -> None:
            for one in some(share):
                row = {name: value(one) if callable(value) else value for name, value in values.items()}
                connection.execute(update(contacts).where(contacts.c.contact_id == one).values(**row))

        change(0.05, email=None)
        change(0.05, phone=None)
        change(0.05, erased_at=NOW - DAY)
        change(0.05, merged_into=1)
        change(0.2, language="fr")
        change(0.2, time_zone="")
        change(0.2, first_name="12")
        change(0.5, last_human_signal_at=lambda _: NOW - chance.randint(1, 200) * DAY, sent_since_signal=6)
        change(0.3, last_order_at=lambda _: NOW - chance.randint(1, 40) * DAY)
        for channel, hashed in (
            ("email", [address_hash(secret, address(one)) for one in some(0.1)]),
            ("sms", [phone_hash(secret, phone(one)) for one in some(0.1)]),
        ):
            connection.execute(
                insert(suppressions),
                [{"channel": channel, "address_hash": one, "reason": "unsubscribed", "at": NOW} for one in hashed],
            )
        for one in some(0.2):
            topics = chance.choice([None, (), ("news",)])
            days = chance.choice([0, 30])
            paused = chance.choice([None, NOW + DAY])
            answers = {"preferred_category": "tea"} if chance.random() < 0.5 else {}
            wish = Preferences(contact_id=one, topics=topics, at_most_days=days, paused_until=paused, answers=answers)
            preferences.save(connection, wish, NOW)
        sent = [(one, f"old-{one}-{number}", NOW - number * 2 * DAY) for one in some(0.4) for number in range(6)]
        cap.seed(connection, sent, 5)
        for at, confirmed, purpose, state in (
            (NOW - DAY, True, "marketing", "granted"),
            (NOW - DAY, False, SIMILAR_PRODUCTS, "granted"),
            (NOW, False, SIMILAR_PRODUCTS, "withdrawn"),
            (NOW, False, "marketing", "withdrawn"),
        ):
            for one in [*some(0.3), *range(201, 206)] if state == "granted" else some(0.1):
                if one < 201 or purpose == SIMILAR_PRODUCTS:
                    entry = Consent(contact_id=one, channel="email", purpose=purpose, state=state, at=at)
                    record(connection, [entry.model_copy(update={"proof": "told", "confirmed": confirmed})])
        for one in [*some(0.2), 201, 202]:
            bought = {"lines": [{"category": chance.choice(["tea", "cups"])}]}
            row = {"event_id": f"e{one}", "contact_id": one, "kind": "order", "at": NOW - DAY, "properties": bought}
            connection.execute(insert(intake).values(**row, human=True, received_at=NOW))
    ids = [one for one in IDS if chance.random() < 0.3]
    orders = [
        {
            "order_id": f"o{one}",
            "contact_id": one,
            "at": to_micros(NOW - chance.randint(1, 40) * DAY),
            "total_cents": 100,
            "discount_cents": 0,
            "currency": "EUR",
            "source": "test",
        }
        for one in ids
    ]
    lines = [
        {
            "order_id": one["order_id"],
            "line": 1,
            "contact_id": one["contact_id"],
            "at": one["at"],
            "product_id": "p1",
            "category": chance.choice(["tea", "cups", ""]),
            "quantity": 1,
            "amount_cents": 100,
            "discount_cents": 0,
        }
        for one in orders
    ]
    products = [
        dict.fromkeys(SCHEMAS[LakeTable.PRODUCTS].names, "")
        | {"product_id": f"p{number}", "name": f"Tea {number}", "price_cents": 900, "cost_cents": None}
        | {"stock_units": stock}
        for number, stock in enumerate((0, 5, None))
    ]
    lake.replace(LakeTable.PRODUCTS, pa.Table.from_pylist(products, schema=SCHEMAS[LakeTable.PRODUCTS]))
    lake.replace(
        LakeTable.CONTACTS, as_rows(LakeTable.CONTACTS, [{"contact_id": one} for one in (*IDS, *range(201, 211))])
    )
    lake.replace(LakeTable.LINES, pa.Table.from_pylist(lines, schema=SCHEMAS[LakeTable.LINES]))
    lake.replace(LakeTable.ORDERS, pa.Table.from_pylist(orders, schema=SCHEMAS[LakeTable.ORDERS]))


def letter(body: str, **changes: Any) -> tuple[PlaySequence, ...]:
    words = examples.copy("en").model_copy(update={"body": (body,)})
    copies = {"en": words, "fr": examples.copy("fr")}
    mail = SendStep(**{"key": "mail1", "template": "letter", "copies": copies, **changes})
    return (PlaySequence(key="one", title="One", steps=(mail, ExitStep(key="end")), share=1),)


TEXT = {"channel": "sms", "template": "", "copies": {"en": Copy(body=("Hello. STOP",))}}
PLAYS = {
    "a mail": play(),
    "a mail that needs a name": play(sequences=letter("Hello {{ contact.first_name }}.")),
    "a mail that needs an order": play(sequences=letter("You came on {{ last_order.date }}.")),
    "a mail that needs a product": play(sequences=letter("{{ product.name }}"), records={"product": "last_product_id"}),
    "a mail about what was not bought": play(
        sequences=letter("{{ category.name }}", unbought_days=10), records={"category": "last_category"}
    ),
    "a text message": play(sequences=letter("", **TEXT)),
    "a topic": play(topic="news"),
    "recent buyers left out": play(limits=Limits(recent_purchase_days=20)),
    "recent buyers of tea left out": play(
        limits=Limits(recent_purchase_days=20), goal=Goal(category="tea", window_days=14)
    ),
    "an exemption": play(limits=Limits(hibernation_exempt=True)),
}
ABOUT_SOMETHING = ("a mail", "a mail about what was not bought", "recent buyers of tea left out", "a text message")
RECORDS: dict[int, dict[Any, str]] = {one: {"product": f"p{one % 3}", "category": "tea"} for one in range(1, 300, 2)}


CURIOUS = own_pack(
    "  consent: {parameters: {double_opt_in_required: true, existing_customer_days: 30}}\n"
    "  recent_purchase: {parameters: {similar_days: 10}}\n"
    "  language: {parameters: {own_language_required: true}}\n"
    "  not_for: {enabled: true, parameters: {pairs: [{playbook: win_back, segment: "
    "{type: events, event: order, window_days: 20}}]}}\n"
)
"""A pack that asks for facts which the base pack leaves alone."""


def ground(store: Store, wanted: Play, pack: Pack | None = None) -> Ground:
    step = wanted.sequences[0].steps[0]
    assert isinstance(step, SendStep)
    with store.read() as connection:
        secret = salt(connection)
    return Ground(
        campaign_id="c1",
        play=wanted,
        step=step,
        approval=ApprovalFacts(),
        pack=pack or base_pack(),
        at=NOW,
        salt=secret,
        switch_stopped=False,
        programme_share=0.2,
        public_url=PREVIEW_URL,
        currency="EUR",
    )


def candidates(ids: list[int]) -> list[Candidate]:
    return [
        Candidate(
            contact_id=one,
            message_key="",
            in_holdout=False,
            deadline_at=NOW + DAY,
            records=RECORDS.get(one, {}),
            code=EXAMPLE_CODE,
        )
        for one in ids
    ]


@pytest.fixture
def place(any_store: Store, clock: ManualClock, tmp_path: Path) -> Any:
    found = workplace(any_store, clock, tmp_path)
    live(any_store, found.lake)
    # Some got two messages under an exemption that another campaign declared.
    start(found, play(limits=Limits(hibernation_exempt=True)), range(1, 60, 2), proposal_id="before")
    tick(found)
    with any_store.write() as connection:
        connection.execute(update(contacts).where(contacts.c.contact_id < 20).values(last_human_signal_at=NOW + DAY))
    return found


def test_columns_hold_what_is_gathered_for_each_contact_alone(place: Any) -> None:
    asked = [(*one, base_pack()) for one in PLAYS.items()]
    asked += [(f"{title}, asked more", PLAYS[title], CURIOUS) for title in ABOUT_SOMETHING]
    for title, wanted, pack in asked:
        on = ground(place.store, wanted, pack)
        for ids in ([*IDS, *range(201, 211), 500], SPARSE):
            with place.store.read() as connection:
                slots = cap.read(connection, ids)
                records = LakeRecords(place.lake)
                cases = gather(connection, candidates(ids), ground=on, slots=slots, records=records)
                seen = survey(connection, np.asarray(ids), ground=on, named=RECORDS, records=records)
            for row, case in enumerate(cases):
                found, known = seen.table.row(row), case.facts
                for name in (one.name for one in fields(known)):
                    # Nobody asks of an audience when there is room again, how the sender stands, or what the gone lack.
                    if name in {"cap_frees_at", "standing"} or (name == "bindings_missing" and known.contact_erased):
                        continue
                    assert getattr(found, name) == getattr(known, name), (title, case.candidate.contact_id, name)
                if case.bindings and not known.contact_erased:
                    assert seen.languages.values[seen.languages.codes[row]] == case.bindings.language


def test_the_columns_are_such_that_every_set_form_can_judge_them(place: Any) -> None:
    """Where one could not, each contact would be asked alone: as right, and twenty times as slow."""
    ids = np.asarray([*IDS, *range(201, 211)])
    cases = [(wanted, pack) for wanted in PLAYS.values() for pack in (base_pack(), CURIOUS)]
    asked = 0
    for wanted, pack in cases:
        with place.store.read() as connection:
            on = ground(place.store, wanted, pack)
            seen = survey(connection, ids, ground=on, named=RECORDS, records=LakeRecords(place.lake))
        for rule, setting in pack.active:
            if rule.sift is not None:
                rule.sift(seen.table, setting.parameters, pack.context)
                asked += 1
    assert asked == (12 + 13) * len(PLAYS)


def test_an_audience_is_who_the_gate_lets_pass_and_every_other_has_the_first_reason(place: Any) -> None:
    ids = [*IDS, *range(201, 211)]
    several = Counter[str]()
    for title, wanted in PLAYS.items():
        chosen: Any = Chosen(ids)
        selection = choose(
            place.store, place.lake, place.pack, wanted, at=NOW, campaign_id="c1", features=chosen, named=RECORDS,
            programme_share=0.2, currency="EUR",
        )  # fmt: skip
        inside, out = [], Counter[str]()
        with place.store.read() as connection:
            slots = cap.read(connection, ids)
            on, records = ground(place.store, wanted), LakeRecords(place.lake)
            cases = gather(connection, candidates(ids), ground=on, slots=slots, records=records)
        for case in cases:
            against = [
                one.rule
                for one in gate_message(case.facts, place.pack).findings
                if one.verdict is not Verdict.ALLOW and one.rule not in NOT_COUNTED
            ]
            if case.facts.in_programme_holdout:
                out[PROGRAMME] += 1
            elif against:
                out[against[0]] += 1
            else:
                inside.append(case.candidate.contact_id)
        assert selection.entrants.contact_ids.tolist() == inside, title
        assert {one.rule: one.contacts for one in selection.audience.subtractions} == dict(out), title
        several += out
    # The shop is mixed enough for the comparison to mean something.
    assert {"suppression", "consent", "preferences", "hibernation", "frequency", "recent_purchase", "bindings"} <= set(
        several
    )


def test_a_customer_who_was_told_gets_what_is_like_their_purchase_and_nothing_else(place: Any) -> None:
    about_tea = PLAYS["recent buyers of tea left out"].model_copy(update={"limits": Limits()})
    pack = own_pack("  consent: {parameters: {existing_customer_days: 30}}\n")
    ids = list(range(201, 211))
    bought = {"lines": [{"category": "tea"}]}
    with place.store.write() as connection:
        for one in (203, 207):
            row = {"event_id": f"tea{one}", "contact_id": one, "kind": "order", "at": NOW - DAY, "properties": bought}
            connection.execute(insert(intake).values(**row, human=True, received_at=NOW))
    with place.store.read() as connection:
        records = LakeRecords(place.lake)
        passed: dict[str, list[int]] = {}
        for name, limits in (("asked", pack), ("not asked", base_pack())):
            on = ground(place.store, about_tea, limits)
            table = survey(connection, np.asarray(ids), ground=on, named={}, records=records).table
            sieve = sift_messages(table, limits, besides={*NOT_COUNTED, "holdout"})
            consents = [sieve.rules[first] if first >= 0 else "" for first in sieve.first.tolist()]
            passed[name] = [one for one, rule in zip(ids, consents, strict=True) if rule != "consent"]
    assert 203 in passed["asked"]
    # 207 bought tea and was never told; 201 to 206 were told.
    assert set(passed["asked"]) <= set(range(201, 206))
    assert passed["not asked"] == []
