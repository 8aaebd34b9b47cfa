"""Everything that acting needs, picked in one place and handed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from memory.brand import Brand
from memory.clock import Clock, SystemClock
from memory.lake import Lake
from memory.store import Store
from policies.pack import Pack
from tools.channels.channel import Channel
from tools.feature_cache import FeatureCache
from tools.pace import Pace


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """One workspace with its rules, its clock and its ways out."""

    store: Store
    lake: Lake
    pack: Pack
    clock: Clock
    """Business time."""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    """The channel for "email", for "sms", …"""
    paces: Mapping[str, Pace] = field(default_factory=dict)
    """The limits of the channels that have some."""
    public_url: str = ""
    """Under which the unsubscribe page is reached."""
    click_url: str = ""
    """Under which clicks on links of messages are counted; empty lets links lead straight to the brand."""
    currency: str = ""
    """Of the catalogue's prices."""
    programme_share: float = 0.0
    """Share of contacts (0 to 1) outside all marketing, drawn anew each quarter."""
    features: FeatureCache = field(default_factory=FeatureCache)
    """Of branches and triggers: computed once an hour, not once a contact."""
    example_brand: Brand | None = None
    """The brand that a new workspace starts with, where mail reaches people: nothing leaves in its name."""
    lease_clock: Clock = field(default_factory=SystemClock)
    """Real time, whatever the business clock says."""
    lease_seconds: float = 300.0
    """After so long a claim of a worker that fell silent is taken to be abandoned."""
    actor: str = "worker"
