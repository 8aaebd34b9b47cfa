"""The brand file: who speaks, how it looks and sounds, filled in once by a team."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Colours(BaseModel):
    """Colours of every message, as #rrggbb."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    primary: Colour = "#1f5f8b"
    on_primary: Colour = "#ffffff"
    background: Colour = "#f4f4f1"
    surface: Colour = "#ffffff"
    text: Colour = "#22262a"
    muted: Colour = "#5c646b"


class Voice(BaseModel):
    """How the brand sounds; the copywriter follows it, the guardian checks the banned words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tone: tuple[str, ...] = ("warm", "plain", "brief")
    formal_french: bool = True
    """True says "vous", false says "tu"."""
    banned_words: tuple[str, ...] = ()


class Brand(BaseModel):
    """Name, sender, address, looks and voice; part of every approved play."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Text
    sender_name: Text
    sender_address: EmailStr
    reply_to: EmailStr | None = None
    postal_address: Text
    website: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
    logo_url: Annotated[str, StringConstraints(pattern=r"^https://[^\s]+$")] | None = None
    link_domains: tuple[str, ...] = ()
    """Domains that links may point to, besides the website's own."""
    colours: Colours = Field(default_factory=Colours)
    voice: Voice = Field(default_factory=Voice)
