"""What was expected of a proposal, kept before anything is sent so that it can be scored afterwards."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from agents.learning.forecast import Forecast, Quantiles
from agents.learning.forecast import forecast as learned_forecast
from agents.learning.priors import Prior
from memory import forecasts
from memory.forecasts import StoredForecast, forecast_id_of
from memory.proposal import Proposal

_KEYS = {"0.05": "q05", "0.25": "q25", "0.5": "q50", "0.75": "q75", "0.95": "q95"}


def store_forecast(connection: Connection, proposal: Proposal, at: datetime) -> str:
    """Keep the forecast of one version of a proposal and return its id; the first one stands for good."""
    forecast_id = forecast_id_of(proposal.proposal_id, proposal.version)
    forecasts.keep(
        connection,
        StoredForecast(
            forecast_id=forecast_id,
            proposal_id=proposal.proposal_id,
            proposal_version=proposal.version,
            metric=proposal.forecast.metric,
            body=forecast_of(proposal).model_dump(mode="json"),
            made_at=at,
        ),
    )
    return forecast_id


def forecast_of(proposal: Proposal) -> Forecast:
    """The belief behind a proposal's forecast, in the form in which it is scored."""
    shown = proposal.forecast
    found = learned_forecast(
        Prior(mean=shown.effect_mean, sd=shown.effect_sd, widened=shown.widened, lowered=shown.lowered),
        base_rate=shown.base_rate,
        treated_contacts=max(proposal.audience.treated, 1),
        holdout_contacts=proposal.audience.holdout,
    )
    values = {
        name: shown.value_cents_quantiles[key] for key, name in _KEYS.items() if key in shown.value_cents_quantiles
    }
    if shown.value_kind != "margin" or len(values) < len(_KEYS):
        return found
    return found.model_copy(update={"margin_cents": Quantiles(**values)})
