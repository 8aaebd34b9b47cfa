"""Whether the arms have the sizes that were planned, checked as often as one likes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from scipy.special import gammaln

from agents.learning.counts import Frozen, MeasurementError

CONCENTRATION = 1000.0
ALERT = 0.001


class SampleRatio(Frozen):
    """Contacts per arm against the planned shares; an alert means that no comparison can be trusted."""

    contacts: dict[str, int]
    expected: dict[str, float]
    p_value: float
    alert: bool


def sample_ratio(contacts: Mapping[str, int], shares: Mapping[str, float]) -> SampleRatio:
    """Compare the sizes of the arms with the shares that were planned.

    Dirichlet-multinomial sequential test: the Bayes factor of "some other shares" against the planned ones,
    prior concentration 1000. Its inverse is a p-value that stays valid at every look (alert at 0.001).
    Lindon and Malek (2020), "Anytime-valid inference for multinomial count data".
    """
    total_share = math.fsum(shares.values())
    if set(contacts) != set(shares) or min(shares.values(), default=0.0) <= 0:
        raise MeasurementError(
            "Every arm needs a count and a share above zero.", where=", ".join(sorted({*contacts, *shares}))
        )
    if min(contacts.values()) < 0:
        raise MeasurementError("An arm cannot hold fewer than zero contacts.")
    total = sum(contacts.values())
    planned = {name: share / total_share for name, share in shares.items()}
    log_factor = gammaln(CONCENTRATION) - gammaln(CONCENTRATION + total)
    for name, share in planned.items():
        weight = CONCENTRATION * share
        log_factor += gammaln(weight + contacts[name]) - gammaln(weight) - contacts[name] * math.log(share)
    p_value = math.exp(min(0.0, -float(log_factor)))
    return SampleRatio(
        contacts=dict(contacts),
        expected={name: total * share for name, share in planned.items()},
        p_value=p_value,
        alert=p_value < ALERT,
    )
