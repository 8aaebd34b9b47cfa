"""What is wrong with a pack that can be read: limits that contradict each other, and rules that can never fire."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from memory.steps import Copy
from policies.pack import Pack, read_pack
from policies.pack_document import Document, Path, Problem
from policies.rules.approval import ApprovalLimits
from policies.rules.audience_size import AudienceSizeLimits
from policies.rules.consent_coverage import ConsentCoverageLimits
from policies.rules.data_quality import DataQualityLimits
from policies.rules.discount import DiscountLimits
from policies.rules.exits import ExitLimits
from policies.rules.hibernation import HibernationLimits
from policies.rules.identity import IdentityLimits
from policies.rules.length import LengthLimits
from policies.rules.links import LinkLimits, within
from policies.rules.not_for import NotForLimits
from policies.rules.send_window import SendWindowLimits
from policies.rules.spend import SpendLimits
from policies.rules.subject import SubjectLimits
from policies.rules.text_message import TextMessageLimits
from policies.rules.transactional import TransactionalLimits

_DOMAIN: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


@dataclass(frozen=True, slots=True)
class Known:
    """Names that a pack may use and that stand outside of it; None where they were not looked up."""

    playbooks: Collection[str] | None = None
    measures: Collection[str] | None = None


Doubt = tuple[tuple[Path, ...], str, str]
"""Where it stands (more than one place where limits contradict each other), what is wrong, and what to do."""


def inspect_pack(
    text: str, *, where: str, parents: Mapping[str, str] | None = None, known: Known | None = None
) -> list[Problem]:
    """Everything that is wrong with a pack file, each with file, line and remedy; empty for a sound one.

    Raises InvalidInputError where the YAML itself cannot be read.
    """
    pack, document = read_pack(text, where=where, parents=parents)
    if pack is not None:
        for paths, what, remedy in _doubts(pack, document, known or Known()):
            # Of two limits that contradict each other, the one to look at is the one that this file sets.
            mine = next((("rules", *one) for one in paths if document.sets(("rules", *one))), None)
            between = ("extends",) if document.extends_several else ("rules", *paths[0])
            document.complain(mine or between, what, remedy)
    return document.sorted_problems()


def _doubts(pack: Pack, document: Document, known: Known) -> Iterator[Doubt]:
    for rule_id, body in document.own.items():
        if isinstance(body, dict) and body.get("parameters") and not pack.setting(rule_id).enabled:
            yield (
                ((rule_id, "parameters"),),
                f"The rule {rule_id} is switched off, so its parameters never count.",
                "Remove them, or switch the rule on with `enabled: true`.",
            )
    yield from _approvals(pack)
    yield from _names(pack, known)
    yield from _windows(pack.limits("send_window", SendWindowLimits))
    yield from _words(pack)
    yield from _never_firing(pack)


def _approvals(pack: Pack) -> Iterator[Doubt]:
    """Thresholds from which two people look, and which nothing can reach."""
    limits = pack.limits("approval", ApprovalLimits)
    most = pack.limits("audience_size", AudienceSizeLimits).maximum_contacts
    deepest = pack.limits("discount", DiscountLimits).maximum_basis_points
    if limits.two_people_when_new_from_contacts >= limits.two_people_from_contacts:
        yield (
            (
                ("approval", "parameters", "two_people_when_new_from_contacts"),
                ("approval", "parameters", "two_people_from_contacts"),
            ),
            "New playbooks already need two people from two_people_from_contacts on, so this limit can never decide.",
            f"Make it smaller than {limits.two_people_from_contacts}.",
        )
    if _holds(pack, "audience_size") and limits.two_people_from_contacts > most:
        yield (
            (
                ("approval", "parameters", "two_people_from_contacts"),
                ("audience_size", "parameters", "maximum_contacts"),
            ),
            f"No campaign may reach more than {most} contacts, so two people are never asked for its size.",
            f"Make it at most {most}, or raise maximum_contacts of audience_size.",
        )
    dearest = pack.limits("spend", SpendLimits).maximum_cents
    if _holds(pack, "spend") and limits.two_people_from_spend_cents > dearest:
        yield (
            (("approval", "parameters", "two_people_from_spend_cents"), ("spend", "parameters", "maximum_cents")),
            f"No campaign may cost more than {dearest} minor units, so two people are never asked for its cost.",
            f"Make it at most {dearest}, or raise maximum_cents of spend.",
        )
    if _holds(pack, "discount") and limits.two_people_from_discount_basis_points > deepest:
        yield (
            (
                ("approval", "parameters", "two_people_from_discount_basis_points"),
                ("discount", "parameters", "maximum_basis_points"),
            ),
            f"No offer may cut deeper than {deepest} basis points, so two people are never asked for a discount.",
            f"Make it at most {deepest}, or raise maximum_basis_points of discount.",
        )


def _names(pack: Pack, known: Known) -> Iterator[Doubt]:
    """Playbooks, measures and domains that do not exist or contradict each other."""
    hibernation = pack.limits("hibernation", HibernationLimits)
    if hibernation.exempt_playbooks and not hibernation.exempt_messages_per_lapse:
        yield (
            (
                ("hibernation", "parameters", "exempt_messages_per_lapse"),
                ("hibernation", "parameters", "exempt_playbooks"),
            ),
            "Some playbooks are exempt, and yet may send no message.",
            "Allow 1 or 2 messages, or write `exempt_playbooks: []`.",
        )
    transactional = pack.limits("transactional", TransactionalLimits).playbooks
    for rule_id, name, playbooks in (
        ("hibernation", "exempt_playbooks", hibernation.exempt_playbooks),
        ("transactional", "playbooks", transactional),
        ("not_for", "pairs", [one.playbook for one in pack.limits("not_for", NotForLimits).pairs]),
    ):
        if known.playbooks is not None and (missing := sorted(set(playbooks) - set(known.playbooks))):
            yield (
                ((rule_id, "parameters", name),),
                f"There is no playbook {', '.join(missing)}.",
                f"There are: {', '.join(sorted(known.playbooks))}.",
            )
    for measure in pack.limits("data_quality", DataQualityLimits).minimum_measures:
        if known.measures is not None and measure not in known.measures:
            yield (
                (("data_quality", "parameters", "minimum_measures", measure),),
                f"There is no measure {measure}, so every proposal would be held.",
                f"There are: {', '.join(sorted(known.measures))}.",
            )
    links = pack.limits("links", LinkLimits)
    for domain in links.extra_domains:
        if any(within(domain, one) for one in links.shorteners):
            yield (
                (("links", "parameters", "extra_domains"), ("links", "parameters", "shorteners")),
                f"{domain} is allowed and yet refused as a shortener.",
                "Take it out of extra_domains or out of shorteners.",
            )
    for rule_id, name, domains in (
        ("links", "extra_domains", links.extra_domains),
        ("links", "shorteners", links.shorteners),
        ("identity", "free_mail_domains", pack.limits("identity", IdentityLimits).free_mail_domains),
    ):
        if odd := [one for one in domains if not _DOMAIN.fullmatch(one)]:
            yield (
                ((rule_id, "parameters", name),),
                f"{', '.join(odd)} is no domain, so nothing ever matches it.",
                "Write it in small letters and without https:// or @, for example example.com.",
            )


def _windows(limits: SendWindowLimits) -> Iterator[Doubt]:
    if not set(limits.weekdays) & set(limits.sms_weekdays):
        yield (
            (("send_window", "parameters", "sms_weekdays"), ("send_window", "parameters", "weekdays")),
            "No day is open for both, so no text message could ever leave.",
            "Text messages need a weekday that is also in weekdays.",
        )
    if max(limits.earliest_hour, limits.sms_earliest_hour) >= min(limits.latest_hour, limits.sms_latest_hour):
        yield (
            tuple(
                ("send_window", "parameters", f"{kind}{end}_hour")
                for kind in ("sms_", "")
                for end in ("earliest", "latest")
            ),
            "No hour is open for both, so no text message could ever leave.",
            "The window of text messages must overlap the general one.",
        )


def _words(pack: Pack) -> Iterator[Doubt]:
    for word in pack.limits("text_message", TextMessageLimits).opt_out_words:
        if not re.fullmatch(r"\w+", word):
            yield (
                (("text_message", "parameters", "opt_out_words"),),
                f"“{word}” is not one word, so no text message could ever contain it.",
                "Write single words, for example STOP.",
            )
    length = pack.limits("length", LengthLimits)
    for slot, longest in _longest().items():
        if getattr(length, f"{slot}_characters") >= longest and _holds(pack, "length"):
            yield (
                (("length", "parameters", f"{slot}_characters"),),
                f"No {slot} can have more than {longest} characters anyway, so this limit can never fire.",
                f"Make it smaller than {longest}.",
            )


def _never_firing(pack: Pack) -> Iterator[Doubt]:
    open_ended: list[tuple[str, str, bool, str]] = [
        (
            "consent_coverage",
            "minimum_share",
            pack.limits("consent_coverage", ConsentCoverageLimits).minimum_share == 0,
            "every share is at least 0",
        ),
        (
            "discount",
            "maximum_basis_points",
            pack.limits("discount", DiscountLimits).maximum_basis_points == 10_000,
            "no discount is more than everything",
        ),
        (
            "not_for",
            "pairs",
            not pack.limits("not_for", NotForLimits).pairs,
            "no playbook leaves anybody alone",
        ),
        ("exits", "required", not pack.limits("exits", ExitLimits).required, "no exit is required"),
        (
            "subject",
            "maximum_capitals_share",
            pack.limits("subject", SubjectLimits).maximum_capitals_share == 1,
            "no subject has more capitals than letters",
        ),
    ]
    for rule_id, name, never, why in open_ended:
        if never and _holds(pack, rule_id):
            yield (
                ((rule_id, "parameters", name),),
                f"With this {name} the limit of {rule_id} can never fire: {why}.",
                "Set a limit, or say openly that it is off with `enabled: false`.",
            )


def _holds(pack: Pack, rule_id: str) -> bool:
    """Whether a rule holds or refuses at all."""
    setting = pack.setting(rule_id)
    return setting.enabled and setting.severity != "advisory"


def _longest() -> dict[str, int]:
    """How long each slot may be at all."""
    found = {}
    for slot in ("subject", "preheader", "headline", "button"):
        limit = next(one.max_length for one in Copy.model_fields[slot].metadata if hasattr(one, "max_length"))
        found[slot] = int(limit)
    return found
