"""Forecasts as they were made before anything was sent, and how each compared with what was then measured."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Connection, select

from memory.autonomy import Kind, kind_of
from memory.canonical import digest
from memory.journal import append
from memory.proposal import Proposal
from memory.schema import campaigns, forecast_scores, forecasts, proposals
from memory.store import upsert


class StoredForecast(BaseModel):
    """What was believed of one version of a proposal."""

    model_config = ConfigDict(frozen=True)

    forecast_id: str
    proposal_id: str
    proposal_version: int
    metric: str
    body: dict[str, Any]
    made_at: AwareDatetime


def forecast_id_of(proposal_id: str, version: int) -> str:
    """The id of the forecast of one version: there is one, and it is never replaced."""
    return "f" + digest(["forecast", proposal_id, version])[:15]


def keep(connection: Connection, forecast: StoredForecast) -> bool:
    """Write a forecast once; False when it is there, and then it stays as it was made."""
    return bool(upsert(connection, forecasts, [forecast.model_dump()]))


def of_proposal(connection: Connection, proposal_id: str, version: int) -> StoredForecast | None:
    """The forecast of one version of a proposal, if one was made."""
    forecast_id = forecast_id_of(proposal_id, version)
    row = connection.execute(select(forecasts).where(forecasts.c.forecast_id == forecast_id)).one_or_none()
    return None if row is None else StoredForecast.model_validate(row._asdict())


def score(connection: Connection, forecast_id: str, *, readout_id: str, body: dict[str, Any], at: datetime) -> bool:
    """Write how a forecast did and journal it; False when it was scored before: the first score stands."""
    row = {"forecast_id": forecast_id, "readout_id": readout_id, "body": body, "scored_at": at}
    if not upsert(connection, forecast_scores, [row]):
        return False
    append(
        connection,
        at=at,
        actor="noria",
        action="forecast.scored",
        subject=forecast_id,
        payload={"readout": readout_id, "score": digest(body)},
    )
    return True


class FinishedForecast(BaseModel):
    """A forecast of what was launched, beside how it did; nothing of that while its campaign runs."""

    model_config = ConfigDict(frozen=True)

    forecast: StoredForecast
    campaign_id: str
    name: str
    """What the play is called."""
    score: dict[str, Any] | None
    scored_at: AwareDatetime | None


def list_forecasts(connection: Connection) -> list[FinishedForecast]:
    """The forecasts of what was launched, newest first."""
    query = (
        select(
            forecasts,
            campaigns.c.campaign_id,
            proposals.c.body.label("proposal"),
            forecast_scores.c.body.label("score"),
            forecast_scores.c.scored_at,
        )
        .join(campaigns, campaigns.c.proposal_id == forecasts.c.proposal_id)
        .join(proposals, proposals.c.proposal_id == forecasts.c.proposal_id)
        .outerjoin(forecast_scores, forecast_scores.c.forecast_id == forecasts.c.forecast_id)
        .where(forecasts.c.proposal_version == proposals.c.version)
        .order_by(forecasts.c.made_at.desc(), forecasts.c.forecast_id)
    )
    return [
        FinishedForecast(
            forecast=StoredForecast.model_validate(row._asdict()),
            campaign_id=row.campaign_id,
            name=row.proposal["play"]["name"]["en"],
            score=row.score,
            scored_at=row.scored_at,
        )
        for row in connection.execute(query)
    ]


def scores(connection: Connection) -> list[dict[str, Any]]:
    """Every score so far, oldest first."""
    query = select(forecast_scores.c.body).order_by(forecast_scores.c.scored_at, forecast_scores.c.forecast_id)
    return list(connection.execute(query).scalars())


def newest_scores(connection: Connection, kind: Kind, limit: int) -> list[dict[str, Any]]:
    """The newest scores of forecasts about one kind of action, newest first."""
    query = (
        select(forecast_scores.c.body, proposals.c.body.label("proposal"))
        .join(forecasts, forecasts.c.forecast_id == forecast_scores.c.forecast_id)
        .join(proposals, proposals.c.proposal_id == forecasts.c.proposal_id)
        .order_by(forecast_scores.c.scored_at.desc(), forecast_scores.c.forecast_id)
    )
    found = (row.body for row in connection.execute(query) if kind_of(Proposal.model_validate(row.proposal)) == kind)
    return list(islice(found, limit))
