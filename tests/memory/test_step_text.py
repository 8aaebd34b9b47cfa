"""Steps, triggers and sequences in words: short, in both languages, and nothing of them left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from pydantic import TypeAdapter

from memory.step_text import tell_condition, tell_reentry, tell_sequence, tell_step, tell_trigger
from memory.steps import BranchStep, Condition, Sequence
from memory.trigger import EventTrigger, OnceTrigger, Reentry, Trigger
from tests.memory.sequences import CLICKED, STEP, any_sequence, branch, cart, leave, send, sequence, wait

TRIGGER: TypeAdapter[Trigger] = TypeAdapter(Trigger)
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


@pytest.mark.parametrize(
    ("step", "en", "fr"),
    [
        (send("a", "Hello"), "send the e-mail “Hello”", "envoyer l’e-mail « Hello »"),
        (
            send("a", "Hello{% if contact.first_name %}, {{ contact.first_name }}{% else %} you{% endif %}"),
            "send the e-mail “Hello, [contact.first_name]”",
            "envoyer l’e-mail « Hello, [contact.first_name] »",
        ),
        (
            {
                "kind": "send",
                "key": "a",
                "channel": "sms",
                "purpose": "transactional",
                "copies": {"en": {"body": ["Hello"]}},
            },
            "send the text message “Hello” (transactional)",
            "envoyer le SMS « Hello » (transactionnel)",
        ),
        (
            {"kind": "send", "key": "a", "channel": "crm", "crm_field": {"name": "stage", "value": "vip"}},
            "write “vip” into the field “stage” of the CRM",
            "écrire « vip » dans le champ « stage » du CRM",
        ),
        (
            {"kind": "send", "key": "a", "channel": "audience", "listing": {"audience": "buyers", "action": "remove"}},
            "take off the advertising audience “buyers”",
            "retirer de l’audience publicitaire « buyers »",
        ),
        (wait("a", days=1), "wait 1 day", "attendre 1 jour"),
        (
            wait("a", days=2, hours=1, minutes=30),
            "wait 2 days 1 hour 30 minutes",
            "attendre 2 jours 1 heure 30 minutes",
        ),
        (
            {"kind": "wait_window", "key": "a", "from_hour": 9, "until_hour": 12, "weekdays": [1, 2, 3]},
            "wait until Tuesday to Thursday, 9:00–12:00 local time",
            "attendre mardi à jeudi, 9 h–12 h, heure locale",
        ),
        (
            {"kind": "wait_window", "key": "a", "from_hour": 9, "until_hour": 12, "weekdays": [6, 0, 1, 3]},
            "wait until Monday, Tuesday, Thursday and Sunday, 9:00–12:00 local time",
            "attendre lundi, mardi, jeudi et dimanche, 9 h–12 h, heure locale",
        ),
        (
            {
                "kind": "wait_window",
                "key": "a",
                "from_hour": 9,
                "until_hour": 12,
                "at": "favourite_hour",
                "explored": 0.2,
            },
            "wait until the favourite hour (9:00–12:00) local time, at another of these hours for 20 % drawn at random",
            "attendre l’heure préférée (9 h–12 h), heure locale, à une autre de ces heures pour 20 % tirés au sort",
        ),
        (
            {"kind": "wait_window", "key": "a", "from_hour": 9, "until_hour": 12, "at": "favourite_hour"},
            "wait until the favourite hour (9:00–12:00) local time",
            "attendre l’heure préférée (9 h–12 h), heure locale",
        ),
        (
            {
                "kind": "wait_window",
                "key": "a",
                "from_hour": 9,
                "until_hour": 12,
                "weekdays": [0, 1, 2, 3, 4],
                "day": "favourite_weekday",
                "explored_days": 0.2,
            },
            (
                "wait until the favourite weekday (Monday to Friday), 9:00–12:00 local time, on another of these days "
                "for 20 % drawn at random; the message may leave up to a week later than without it"
            ),
            (
                "attendre le jour préféré de la semaine (lundi à vendredi), 9 h–12 h, heure locale, un autre de ces "
                "jours pour 20 % tirés au sort ; le message peut partir jusqu’à une semaine plus tard que sans cela"
            ),
        ),
        (
            {"kind": "wait_window", "key": "a", "from_hour": 9, "until_hour": 12},
            "wait until 9:00–12:00 local time",
            "attendre 9 h–12 h, heure locale",
        ),
        (
            {"kind": "wait_event", "key": "a", "event": "reply", "days": 2},
            "wait until the contact replies, at most 2 days",
            "attendre que le contact réponde, au plus 2 jours",
        ),
        (
            {"kind": "wait_event", "key": "a", "event": "test_drive", "hours": 1},
            "wait until the contact has an event “test_drive”, at most 1 hour",
            "attendre que le contact ait un événement « test_drive », au plus 1 heure",
        ),
        (
            branch("a", "b", "c"),
            "if clicked “shoes” go to b, otherwise to c",
            "si le contact a cliqué sur « shoes », aller à b, sinon à c",
        ),
        (
            {"kind": "update", "key": "a", "attribute": "vip", "value": True},
            "set “vip” to yes",
            "mettre « vip » à oui",
        ),
        (
            {"kind": "alert", "key": "a", "task": {"en": "Call.", "fr": "Appeler."}},
            "ask a person: “Call.”",
            "demander à une personne : « Appeler. »",
        ),
        (leave(), "leave", "sortir"),
        ({"kind": "exit", "key": "a", "reason": "reacted"}, "leave (reacted)", "sortir (reacted)"),
    ],
)
def test_every_step_is_told_in_both_languages(step: dict[str, object], en: str, fr: str) -> None:
    told = STEP.validate_python(step)
    assert tell_step(told, "en") == en
    assert tell_step(told, "fr").replace("\u00a0", " ") == fr
    # Copy in another language is told in English.
    assert tell_step(told, "de") == en


@pytest.mark.parametrize(
    ("condition", "en", "fr"),
    [
        (CLICKED, "clicked “shoes”", "le contact a cliqué sur « shoes »"),
        ({"type": "attribute", "attribute": "size", "present": True}, "“size” is known", "« size » est connu"),
        (
            {"type": "event", "event": "view", "where": [{"property": "price", "present": True}]},
            "looked at a product with some price",
            "le contact a regardé un produit avec price renseigné",
        ),
        (
            {"type": "event", "event": "view", "where": [{"property": "price", "at_least": 50}]},
            "looked at a product with price of at least 50",
            "le contact a regardé un produit avec price d’au moins 50",
        ),
        (
            {"type": "attribute", "attribute": "size", "one_of": [38, "small", False]},
            "“size” is 38, “small” or no",
            "« size » vaut 38, « small » ou non",
        ),
        (
            {"type": "signal"},
            "clicked, replied, came by or ordered since entering",
            "le contact a cliqué, répondu, est passé ou a commandé depuis l’entrée",
        ),
        (
            {"type": "signal", "since": "message"},
            "clicked, replied, came by or ordered since the last message",
            "le contact a cliqué, répondu, est passé ou a commandé depuis le dernier message",
        ),
        ({"type": "consent", "channel": "email"}, "agreed to e-mails", "le contact a accepté les e-mails"),
        ({"type": "consent", "channel": "sms"}, "agreed to text messages", "le contact a accepté les SMS"),
        (
            {"type": "consent", "channel": "audience"},
            "agreed to advertising audiences",
            "le contact a accepté les audiences publicitaires",
        ),
        (
            {
                "type": "segment",
                "expression": {"type": "compare", "field": "recency_days", "operator": ">=", "value": 60},
            },
            "days since the last order is at least 60",
            "« jours depuis la dernière commande » au moins égal à 60",
        ),
    ],
)
def test_every_condition_is_told_in_both_languages(condition: dict[str, object], en: str, fr: str) -> None:
    told = CONDITION.validate_python(condition)
    assert tell_condition(told, "en") == en
    assert tell_condition(told, "fr").replace("\u00a0", " ") == fr


@pytest.mark.parametrize(
    ("trigger", "en", "fr"),
    [
        ({"kind": "once"}, "once, for everybody in the audience", "une seule fois, pour toute l’audience"),
        (
            {"kind": "event", "event": "cart"},
            "after putting something in the cart",
            "après avoir mis un article au panier",
        ),
        ({"kind": "event", "event": "test_drive"}, "after an event “test_drive”", "après un événement « test_drive »"),
        ({"kind": "segment"}, "after coming into the audience", "après être entré dans l’audience"),
        (
            {"kind": "date", "attribute": "birthday", "yearly": True, "offset_days": -7},
            "7 days before the date in “birthday”, every year",
            "7 jours avant la date de « birthday », chaque année",
        ),
        ({"kind": "date", "attribute": "renewal"}, "on the date in “renewal”", "à la date de « renewal »"),
        (
            {"kind": "date", "feature": "last_order_at", "offset_days": 1},
            "1 day after the date told by “last order”",
            "1 jour après la date donnée par « dernière commande »",
        ),
        ({"kind": "api"}, "after being named by another system", "après avoir été nommé par un autre système"),
    ],
)
def test_every_trigger_is_told_in_both_languages(trigger: dict[str, object], en: str, fr: str) -> None:
    told = TRIGGER.validate_python(trigger)
    assert tell_trigger(told, "en") == en
    assert tell_trigger(told, "fr").replace("\u00a0", " ") == fr


def test_every_rule_of_reentry_is_told_in_both_languages() -> None:
    assert tell_reentry(Reentry(), "en") == "nobody comes in twice"
    assert tell_reentry(Reentry(allowed="after_exit"), "fr") == "qui est sorti peut entrer à nouveau"
    again = Reentry(allowed="after_days", days=30)
    assert tell_reentry(again, "en").endswith("30 days or more after the last entry")
    assert "30 jours au moins" in tell_reentry(again, "fr")


def test_the_wait_after_an_event_is_told_with_it_and_one_after_a_launch_is_not() -> None:
    of = sequence(wait("calm", minutes=20), send("a"), leave())
    assert tell_sequence(of, "en", EventTrigger(event="cart")) == (
        "20 minutes after putting something in the cart: send the e-mail “Hello”, leave"
    )
    assert tell_sequence(of, "en", OnceTrigger()) == (
        "once, for everybody in the audience: wait 20 minutes, send the e-mail “Hello”, leave"
    )
    assert tell_sequence(of, "fr") == "attendre 20 minutes, envoyer l’e-mail «\u00a0Hello\u00a0», sortir"


def test_the_steps_that_a_branch_leads_to_are_named() -> None:
    told = tell_sequence(cart(), "en", EventTrigger(event="cart"))
    assert "if clicked “shoes” go to mornings, otherwise to call; mornings: wait until Tuesday" in told
    assert "send the e-mail “More shoes”, go to end; call: ask a person" in told
    assert told.endswith("; end: leave")


@given(any_sequence(forward=True))
def test_every_step_of_a_sequence_and_every_jump_is_told(of: Sequence) -> None:
    for language in ("en", "fr"):
        told = tell_sequence(of, language).replace("\u00a0", " ")
        assert all(tell_step(step, language).replace("\u00a0", " ") in told for step in of.steps)
        parts = {part.rpartition(";")[2].strip() for part in told.replace(" :", ":").split(": ")}
        for place, step in enumerate(of.steps):
            after = of.steps[place + 1].key if place + 1 < len(of.steps) else None
            onward = of.followers(step.key)
            named = onward if isinstance(step, BranchStep) else [one for one in onward if one != after]
            assert set(named) <= parts
