"""What the agents work with: the record, the clock, the policy pack, the playbooks and a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from agents.playbook import Playbook
from agents.provider import Provider
from memory import users
from memory.brand import Brand
from memory.clock import Clock
from memory.lake import Lake
from memory.role import Role
from memory.steps import Channel
from memory.store import Store
from memory.vectors import VectorMemory
from policies.pack import Pack
from policies.roles import reaches, role_of
from tools.feature_cache import FeatureCache
from tools.lookups import Budget

_SANDBOX_PEOPLE = ("cli:", "console:", "demo:", "inbox:")
_PEOPLE = ("cli:", "console:")
_BY_EMAIL: Mapping[Channel, int | None] = {"email": None}


class DeskSettings(BaseModel):
    """What a workspace decides once for all proposals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = "EUR"
    channels: Mapping[Channel, int | None] = Field(default_factory=lambda: dict(_BY_EMAIL))
    """Channels on which messages can leave, each with the longest text it takes, in characters; None for any."""
    programme_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of contacts outside all marketing, as the worker uses it."""
    fallback_zone: str = "Europe/Paris"
    languages: tuple[str, ...] = ("en", "fr")
    """Languages a message is written in; the first is used for contacts who speak neither."""
    open_limit: int = Field(default=5, ge=1)
    """Proposals that may wait for people at once."""
    expires_days: int = Field(default=7, ge=1)
    opportunities: int = Field(default=8, ge=1)
    """Proposals that one planning round makes at most."""
    message_cost_micros: int = Field(default=0, ge=0)
    """Cost of one message in millionths of the currency's minor unit."""
    roles: Mapping[str, Role] = Field(default_factory=dict)
    """What known people may do; where nobody is named each may do everything."""
    sandbox: bool = False
    """True where nothing can leave the machine: an inbox may then answer without a stored decision."""
    notes_read: int = Field(default=5, ge=0, le=50)
    """Notes of contacts that a model reads per proposal, each alone and in quarantine; 0 reads none."""
    critic: bool = False
    """Let a model object to finished drafts; it can only add objections."""
    spam_command: str = ""
    """Reads a message from its standard input and answers with SpamAssassin's score; empty asks nobody."""
    budget: Budget = Field(default_factory=Budget)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One workspace, ready for deliberation. It holds no channel: agents propose, they cannot act."""

    store: Store
    lake: Lake
    clock: Clock
    pack: Pack
    playbooks: Mapping[str, Playbook]
    brand: Brand
    provider: Provider
    settings: DeskSettings = field(default_factory=DeskSettings)
    vectors: VectorMemory | None = None
    features: FeatureCache = field(default_factory=FeatureCache)

    def knows(self, actor: str) -> bool:
        """Whether an actor is a person whose decisions count here."""
        return actor.startswith(_SANDBOX_PEOPLE if self.settings.sandbox else _PEOPLE) and not actor.endswith(":")

    def hears(self, actor: str) -> bool:
        """Whether an actor is a known person whose role may say anything of a proposal."""
        return self.knows(actor) and reaches(self.role_of(actor), "operator")

    def lets_approve(self, actor: str) -> bool:
        """Whether an actor is a known person whose role may say yes."""
        return self.knows(actor) and reaches(self.role_of(actor), "approver")

    def role_of(self, actor: str) -> Role:
        """A person's role now: whoever is shut out of the console has none that counts."""
        if not actor.startswith(users.SIGNED_IN):
            return role_of(self.settings.roles, actor)
        with self.store.read() as connection:
            return role_of(self.settings.roles, actor, users.roles(connection))
