"""The ladder of autonomy in the deliberation: who goes without being asked, on which record, and what it proposes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from agents.decide import ASK_AGAIN, LAUNCH
from agents.desk import Desk
from agents.learning.forecast import ForecastScore, is_calibrated, track_record
from agents.state import ProposalState
from memory import autonomy, forecasts, proposals
from memory.alerts import Alert, raise_alerts
from memory.autonomy import KINDS, Kind, Rung
from memory.journal import append
from policies.pack import Pack
from policies.rules.approval import ApprovalLimits

_RECENT = 20
"""Forecasts that the record looks back on: older ones say little about how forecasts are made now."""


class Record(BaseModel):
    """Where a kind of action stands, and what speaks for letting it go further."""

    model_config = ConfigDict(frozen=True)

    rung: Rung
    agreements: int
    """Yeses in a row to proposals that could have gone alone."""
    agreements_needed: int
    forecasts: int
    """Finished forecasts that were looked at, the newest ones."""
    covered_80: float | None
    """Share of them whose outcome lay within the 80 % interval; None while there are too few."""
    calibrated: bool | None

    @property
    def supports_auto(self) -> bool:
        return self.agreements >= self.agreements_needed and self.calibrated is True


def grant(state: ProposalState, desk: Desk) -> ProposalState:
    """Say yes in the name of the ladder where nobody has to be asked; everything else goes on to people."""
    with desk.store.write() as connection:
        alone = proposals.approve_alone(connection, state["proposal_id"], desk.clock.now())
    return {"route": LAUNCH if alone else ASK_AGAIN}


def record_of(connection: Connection, pack: Pack, kind: Kind) -> Record:
    """What the decisions and forecasts so far say about a kind of action."""
    found = autonomy.rung(connection, kind)
    scores = [ForecastScore.model_validate(one) for one in forecasts.newest_scores(connection, kind, _RECENT)]
    past = track_record(scores)
    return Record(
        rung=found,
        agreements=autonomy.agreements(connection, found),
        agreements_needed=pack.limits("approval", ApprovalLimits).raise_after_decisions,
        forecasts=past.forecasts,
        covered_80=past.covered_80,
        calibrated=is_calibrated(past),
    )


def look_after(desk: Desk) -> list[Kind]:
    """Take down what its forecasts no longer support, and propose a raise where the record does; returns what moved."""
    return [kind for kind in KINDS if _look_after(desk, kind)]


def _look_after(desk: Desk, kind: Kind) -> bool:
    at = desk.clock.now()
    with desk.store.write() as connection:
        record = record_of(connection, desk.pack, kind)
        if record.rung.level == "auto" and record.calibrated is False:
            reason = f"Only {record.covered_80:.0%} of {record.forecasts} outcomes lay in their 80 % interval."
            return autonomy.set_back(connection, kind, reason, actor="noria", at=at)
        if record.rung.level != "approve" or record.rung.proposed_at is not None or not record.supports_auto:
            return False
        autonomy.keep(connection, record.rung.model_copy(update={"proposed_at": at}))
        append(
            connection,
            at=at,
            actor="noria",
            action="autonomy.proposed",
            subject=kind,
            payload={"to": "auto", **as_evidence(record)},
        )
        english = (
            f"People said yes to the last {record.agreements} {kind} campaigns that could have gone alone, and "
            f"{record.covered_80:.0%} of {record.forecasts} outcomes lay in their 80 % interval. If you agree: "
            f"noria autonomy raise {kind} auto --reason …"
        )
        french = (
            f"Les {record.agreements} dernières campagnes {kind} qui pouvaient partir seules ont été approuvées, et "
            f"{record.covered_80:.0%} des {record.forecasts} résultats étaient dans leur intervalle à 80 %. "
            f"Si vous êtes d'accord : "
            f"noria autonomy raise {kind} auto --reason …"
        )
        raise_alerts(connection, [Alert(step_key="autonomy", task={"en": english, "fr": french}, raised_at=at)])
    return True


def as_evidence(record: Record) -> dict[str, int | float | None]:
    """The numbers of a record, for the journal."""
    return {"agreements": record.agreements, "forecasts": record.forecasts, "covered_80": record.covered_80}
