"""The tables of the store: everything that must be transactional, one truth per datum.

Timestamps are integer UTC microseconds in storage and aware datetimes in code. Money is integer minor units with a
currency. Facts about the past (events, orders, lines, products, exported sends) live in the lake, not here.
"""

from __future__ import annotations

from memory.schema.access import api_answers, api_tokens, notices, sessions, sign_in_failures, staff_mails, users
from memory.schema.campaigns import (
    alerts,
    allocations,
    arrivals,
    campaign_versions,
    campaigns,
    enrolments,
    link_targets,
    messages,
    shares,
    steps,
    time_draws,
)
from memory.schema.columns import EPOCH, Moment, RowId, from_micros, metadata, to_micros
from memory.schema.intake import import_mappings, imports, intake, quarantine, replies, syncs
from memory.schema.learning import eval_runs, lessons, readouts
from memory.schema.letters import layouts, letters
from memory.schema.offers import facts, offer_codes, offers
from memory.schema.people import (
    accounts,
    cap_slots,
    consent_current,
    consents,
    contact_aliases,
    contacts,
    deals,
    erasures,
    pace,
    preferences,
    suppressions,
)
from memory.schema.proposals import (
    autonomy,
    briefs,
    decisions,
    forecast_scores,
    forecasts,
    lookups,
    plan_requests,
    proposal_versions,
    proposals,
)
from memory.schema.reputation import reputation_counts, reputation_reports, reputation_standings
from memory.schema.workspace import journal, workers, workspace

__all__ = [
    "EPOCH",
    "Moment",
    "RowId",
    "accounts",
    "alerts",
    "allocations",
    "api_answers",
    "api_tokens",
    "arrivals",
    "autonomy",
    "briefs",
    "campaign_versions",
    "campaigns",
    "cap_slots",
    "consent_current",
    "consents",
    "contact_aliases",
    "contacts",
    "deals",
    "decisions",
    "enrolments",
    "erasures",
    "eval_runs",
    "facts",
    "forecast_scores",
    "forecasts",
    "from_micros",
    "import_mappings",
    "imports",
    "intake",
    "journal",
    "layouts",
    "lessons",
    "letters",
    "link_targets",
    "lookups",
    "messages",
    "metadata",
    "notices",
    "offer_codes",
    "offers",
    "pace",
    "plan_requests",
    "preferences",
    "proposal_versions",
    "proposals",
    "quarantine",
    "readouts",
    "replies",
    "reputation_counts",
    "reputation_reports",
    "reputation_standings",
    "sessions",
    "shares",
    "sign_in_failures",
    "staff_mails",
    "steps",
    "suppressions",
    "syncs",
    "time_draws",
    "to_micros",
    "users",
    "workers",
    "workspace",
]
