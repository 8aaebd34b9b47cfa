"""Reads a campaign: counts its arms at a planned look, judges the difference, and stops what does harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from agents.arm_counts import drawn_alike
from agents.desk import Desk
from agents.learning.counts import Counts, MeasurementError
from agents.learning.priors import Prior
from agents.learning.readout import HOLDOUT, Arm, MeasurementPlan, ReadOut
from agents.learning.readout import measure as compare
from agents.letter_counts import on_average, windows_of
from agents.look import LookState, planned_looks
from agents.outcomes import SERIES, ArmOutcome, Member, Outcomes, campaign_outcomes, contacts_planned, series_outcomes
from memory import allocations, autonomy, campaigns, forecasts, proposals, readouts
from memory.alerts import raise_alerts, review_alert
from memory.allocations import Periods
from memory.campaigns import Campaign, CampaignVersion
from memory.readouts import StoredReadOut, readout_id_of

ACTOR = "noria"
_SOME = 1e-6


def measure(state: LookState, desk: Desk) -> LookState:
    """Take one planned look and store it, once; the same look again finds what was stored.

    The look counts what had happened at its planned moment, so it says the same however late it is taken. A campaign
    that harms is paused with all letters of its series, the last look finishes it, and nothing else is acted on here.
    """
    campaign_id, look = state["campaign_id"], state["look"]
    readout_id = readout_id_of(campaign_id, look)
    with desk.store.read() as connection:
        known = readouts.find(connection, readout_id)
        campaign = campaigns.get(connection, campaign_id)
    if known is None:
        found = read_campaign(desk, campaign_id, look)
        planned_at = planned_looks(campaign)[look - 1]
        with desk.store.write() as connection:
            now = desk.clock.now()
            new = keep_readout(connection, found, look, campaign_id, readout_id, planned_at=planned_at, at=now)
            if new:
                _settle(connection, campaign, found, look, now)
    return {"campaign_id": campaign_id, "look": look, "readout_id": readout_id}


def read_campaign(desk: Desk, campaign_id: str, look: int | None = None, *, counted: Outcomes | None = None) -> ReadOut:
    """Read a campaign as it stood at a planned look, or with None as it stands now; nothing is written.

    Between looks the answer can only be harms, inconclusive or invalid, and says that it is a peek. Raises
    NotFoundError, and MeasurementError for a campaign without a holdout, one that was tampered with, or a look that was
    not planned or is not due. ``counted`` are the outcomes of holdout and sequences now, where somebody has them.
    """
    with desk.store.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        version = campaigns.get_version(connection, campaign.campaign_id, campaign.version)
        drawn_by = allocations.periods(connection, campaign.campaign_id)
        prior, base_rate = expected_effect(connection, campaign)
        planned = contacts_planned(connection, campaign.campaign_id)
        letters = campaigns.letters_of(connection, campaign.series_key)
    now = desk.clock.now()
    as_of = now if look is None else _moment_of(campaign, look, now)
    # What a later letter adds is not this one's.
    as_of = min([as_of, *(one.starts_at for one in letters if one.starts_at > campaign.starts_at)])
    if not 0 < campaign.holdout_share < 1:
        raise MeasurementError(
            "This campaign holds nobody out, so nothing can be said about its effect.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Propose it again with a holdout.",
        )
    if not version.is_untouched or version.play.holdout_key != campaign.holdout_key:
        raise MeasurementError(
            "What is stored is not what was approved, so nobody can say what was tested.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Find out who changed it; `noria journal show` tells what was done.",
        )
    arms = tuple(sorted(one.key for one in version.play.sequences))
    outcomes = counted or _outcomes(desk, campaign, version, arms, as_of)
    by_band = _by_band(outcomes, arms, len(version.play.bands)) if version.play.bands else ()
    if campaign.holdout_key:
        found = _read_series(desk, campaign, letters, version, look, as_of)
        alone = drawn_alike(outcomes, drawn_by)
        return found.model_copy(update={"sequences": alone, "by_band": by_band})
    found = compare_arms(
        outcomes,
        expected_shares(outcomes.members, arms, drawn_by, campaign.holdout_share),
        MeasurementPlan(contacts_planned=planned or None, base_rate=base_rate),
        look,
        prior,
        seed=int(readout_id_of(campaign.campaign_id, look or 0)[1:8], 16),
        alike=drawn_alike(outcomes, drawn_by),
    )
    return found.model_copy(update={"by_band": by_band})


def _by_band(outcomes: Outcomes, arms: Sequence[str], bands: int) -> tuple[dict[str, Counts], ...]:
    found = [{arm: [0, 0] for arm in arms} for _ in range(bands)]
    for one in outcomes.members:
        if one.arm in arms:
            found[one.band][one.arm][0] += 1
            found[one.band][one.arm][1] += one.contact_id in outcomes.reached_at
    return tuple(
        {arm: Counts(contacts=all_, conversions=reached) for arm, (all_, reached) in of.items()} for of in found
    )


def _read_series(
    desk: Desk,
    campaign: Campaign,
    letters: Sequence[Campaign],
    version: CampaignVersion,
    look: int | None,
    as_of: datetime,
) -> ReadOut:
    """All letters of a series up to one, together against their common holdout: what each adds, on average.

    Who ordered at all since the first letter says less with every week, because most regular customers did. So each
    letter is counted until the next one (``agents.letter_counts``). Each asks the same question again of contacts that
    were asked about before; so the k-th may err in 5 % / k (k - 1) of cases, which over all letters after the first
    comes to 5 %.
    """
    so_far = [one for one in letters if one.starts_at <= campaign.starts_at]
    ids = tuple(one.campaign_id for one in so_far)
    first, count = so_far[0], len(so_far)
    windows = windows_of(letters, version.play.goal, as_of)
    average = on_average(desk, so_far, version.play.goal, windows)
    with desk.store.read() as connection:
        # What was believed before the first letter: later forecasts know what it did.
        prior, _ = expected_effect(connection, first)
        planned = contacts_planned(connection, *ids)
    outcomes = series_outcomes(
        desk.store,
        desk.lake,
        ids,
        goal=version.play.goal,
        as_of=as_of,
        message_cost_micros=desk.settings.message_cost_micros,
    )
    found = compare_arms(
        replace(outcomes, arms=tuple(_at_rate(one, average[one.name].rate) for one in outcomes.arms)),
        {HOLDOUT: first.holdout_share, SERIES: 1 - first.holdout_share},
        MeasurementPlan(alpha=0.05 / max(count * (count - 1), 1), contacts_planned=planned or None),
        look,
        prior,
        seed=int(readout_id_of(version.campaign_id, look or 0)[1:8], 16),
        worth={name: side.worth for name, side in average.items()},
    )
    together = {language: _together(language, len(windows), first.starts_at) for language in found.text}
    text = {language: f"{together[language]} {said}" for language, said in found.text.items()}
    return found.model_copy(update={"letters": ids, "text": text})


def _at_rate(arm: ArmOutcome, rate: float) -> ArmOutcome:
    """The same contacts, with as many conversions as one letter has on average."""
    return replace(arm, conversions=round(rate * arm.contacts))


def _together(language: str, count: int, since: datetime) -> str:
    if language == "fr":
        letters = f"Les {count} premières lettres" if count > 1 else "La première lettre"
        return f"{letters} de la série depuis le {since:%d/%m/%Y}, chacune jusqu'à la suivante, en moyenne."
    letters = f"The first {count} letters" if count > 1 else "The first letter"
    return f"{letters} of the series since {since:%d %B %Y}, each until the next one, on average."


def expected_shares(
    members: Sequence[Member], arms: Sequence[str], drawn_by: Periods, holdout_share: float
) -> dict[str, float]:
    """The share of all who count that each arm should have: shares that moved count for those who entered under them.

    Whoever drew nobody, or what the campaign no longer has, is not among them; of the others each arm has more.
    """
    entered = Counter((drawn_by.place(one.since), one.band) for one in members) or Counter([(-1, 0)])
    found = dict.fromkeys(arms, 0.0)
    for (place, band), count in entered.items():
        shares = drawn_by.of(place, band)
        drawn = sum(shares.get(arm, 0.0) for arm in arms)
        if not drawn:
            continue
        part = (1 - holdout_share) * count / entered.total() / drawn
        for arm in arms:
            found[arm] += part * shares.get(arm, 0.0)
    # An arm that came in with the newest version may still be waiting for its first contact.
    return {HOLDOUT: holdout_share, **{arm: max(share, _SOME) for arm, share in found.items()}}


def compare_arms(
    outcomes: Outcomes,
    shares: dict[str, float],
    plan: MeasurementPlan,
    look: int | None,
    prior: Prior,
    *,
    seed: int,
    alike: Mapping[str, Counts] | None = None,
    worth: Mapping[str, Counts] | None = None,
) -> ReadOut:
    """Judge counted outcomes against the holdout, and say beside it how people reacted.

    ``alike`` is what a sequence would have counted, had all been drawn alike (``agents.arm_counts.drawn_alike``),
    ``worth`` the contacts, each seen once, that an arm is worth whose contacts were seen several times.
    """
    found = compare(
        [
            Arm(
                name=one.name,
                share=shares[one.name],
                contacts=one.contacts,
                conversions=one.conversions,
                alike=(alike or {}).get(one.name),
                worth=(worth or {}).get(one.name),
            )
            for one in outcomes.arms
        ],
        plan,
        look,
        prior,
        revenue=outcomes.values,
        seed=seed,
    )
    return found.model_copy(
        update={
            "reactions": tuple(one.reactions for one in outcomes.arms),
            "mixed_contacts": outcomes.mixed_contacts,
            "open_windows": outcomes.open_windows,
        }
    )


def keep_readout(
    connection: Connection,
    found: ReadOut,
    look: int,
    campaign_id: str | None,
    readout_id: str,
    *,
    planned_at: datetime,
    at: datetime,
) -> bool:
    """Store a read-out with its counts in the journal; False when it was there."""
    return readouts.keep(
        connection,
        StoredReadOut(
            readout_id=readout_id,
            campaign_id=campaign_id,
            look=look,
            looks_planned=found.looks_planned,
            verdict=found.verdict,
            body=found.model_dump(mode="json"),
            planned_at=planned_at,
            read_at=at,
        ),
        facts={
            "holdout_contacts": found.holdout.contacts,
            "holdout_conversions": found.holdout.conversions,
            "treated_contacts": found.treated.contacts,
            "treated_conversions": found.treated.conversions,
            "mixed_contacts": found.mixed_contacts,
        },
    )


def _settle(connection: Connection, campaign: Campaign, found: ReadOut, look: int, now: datetime) -> None:
    """What a read-out does: the last look finishes its campaign, harm pauses it and every letter of its series."""
    if look == found.looks_planned:
        campaigns.swap_status(
            connection, campaign.campaign_id, ["live", "paused"], "finished", at=now, actor=ACTOR, reason="last look"
        )
    if found.verdict != "harms":
        return
    why = f"look {look} of {found.looks_planned}"
    for letter in campaigns.letters_of(connection, campaign.series_key):
        own = letter.campaign_id == campaign.campaign_id
        reason = f"It harms: {why}." if own else f"A letter of its series harms: {why}."
        if campaigns.swap_status(
            connection, letter.campaign_id, ["live"], "paused", at=now, actor=ACTOR, reason=reason
        ):
            said = f"look {look} says that it harms" if own else f"look {look} says that a letter before it harms"
            raise_alerts(connection, [review_alert(letter, said, now)])
    proposal = proposals.get(connection, campaign.proposal_id).proposal
    autonomy.breach(connection, proposal, f"Campaign {campaign.campaign_id} did harm.", at=now)


def _moment_of(campaign: Campaign, look: int, now: datetime) -> datetime:
    times = planned_looks(campaign)
    if not 1 <= look <= len(times):
        raise MeasurementError(f"Look {look} was not planned; there are {len(times)}.")
    if times[look - 1] > now:
        raise MeasurementError(
            f"Look {look} is due on {times[look - 1]:%d %B %Y}.",
            where=f"campaign {campaign.campaign_id}",
            remedy="Until then only a peek is possible.",
        )
    return times[look - 1]


def _outcomes(
    desk: Desk, campaign: Campaign, version: CampaignVersion, arms: tuple[str, ...], as_of: datetime
) -> Outcomes:
    return campaign_outcomes(
        desk.store,
        desk.lake,
        campaign.campaign_id,
        goal=version.play.goal,
        arms=arms,
        as_of=as_of,
        message_cost_micros=desk.settings.message_cost_micros,
    )


def expected_effect(connection: Connection, campaign: Campaign) -> tuple[Prior, float | None]:
    """What was believed before the campaign ran: from its forecast, so from other campaigns only."""
    proposal = proposals.get(connection, campaign.proposal_id).proposal
    stored = forecasts.of_proposal(connection, proposal.proposal_id, proposal.version)
    if stored is None:
        return Prior(), None
    return Prior(mean=stored.body["effect_mean"], sd=stored.body["effect_sd"]), stored.body["base_rate"]
