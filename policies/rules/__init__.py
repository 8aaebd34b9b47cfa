"""All rules, by id, in the order in which people read them. A rule's id is the name of its file."""

from __future__ import annotations

from typing import Final

from policies.rule import Rule
from policies.rules import (
    approval,
    audience_size,
    bindings,
    claims,
    consent,
    consent_coverage,
    copy_facts,
    data_quality,
    deadline,
    discount,
    exits,
    frequency,
    hibernation,
    holdout,
    identity,
    language,
    length,
    links,
    offer,
    plain_text,
    preferences,
    pressure,
    promises,
    recent_purchase,
    review_date,
    send_window,
    start_date,
    subject,
    suppression,
    switch,
    templates,
    transactional,
)

RULES: Final[dict[str, Rule]] = {
    module.RULE.id: module.RULE
    for module in (
        switch,
        approval,
        deadline,
        suppression,
        consent,
        preferences,
        hibernation,
        recent_purchase,
        frequency,
        pressure,
        send_window,
        holdout,
        offer,
        bindings,
        identity,
        copy_facts,
        promises,
        claims,
        plain_text,
        subject,
        language,
        length,
        links,
        templates,
        discount,
        audience_size,
        consent_coverage,
        data_quality,
        exits,
        transactional,
        start_date,
        review_date,
    )
}
