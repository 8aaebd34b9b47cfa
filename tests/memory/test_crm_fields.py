"""A step may pass a withdrawal on to a CRM, and never makes up a consent, whatever the CRM calls it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from memory.steps import CrmField


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("consent", "granted"),
        ("hs_email_optout", False),
        ("hs_email_optout_1234567", "false"),
        ("hs_legal_basis", "Freely given consent from contact"),
        ("HasOptedOutOfEmail", "no"),
        ("donotcall", False),
        ("email_opt_in", True),
        ("SubscriptionType", "newsletter"),
        ("accepts_marketing", True),
        ("email.marketing.consent", "SUBSCRIBED"),
        ("is_unsubscribed", 0),
    ],
)
def test_a_step_that_makes_up_a_consent_cannot_be_written_down(name: str, value: str | bool) -> None:
    with pytest.raises(ValidationError, match="a consent comes from the contact, not from a step"):
        CrmField(name=name, value=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("consent", "withdrawn"),
        ("hs_email_optout", True),
        ("HasOptedOutOfEmail", True),
        ("lifecyclestage", "customer"),
        ("adoption_interest", "high"),
        ("subscription_plan", "gold"),
        ("task", "Call about the consent form"),
    ],
)
def test_a_withdrawal_and_every_other_property_can_be_written(name: str, value: str | bool) -> None:
    assert CrmField(name=name, value=value).value == value
