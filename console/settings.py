"""The settings of a workspace: one `noria.toml`, secrets from the environment or a strict-permission file."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from memory.errors import ConfigurationError
from memory.role import Role
from memory.steps import Channel
from tools.channels.brevo.options import BrevoOptions
from tools.channels.mailgun.options import MailgunOptions
from tools.channels.postmark.options import PostmarkOptions
from tools.channels.resend.options import ResendOptions
from tools.channels.sendgrid.options import SendGridOptions
from tools.channels.ses.options import SesOptions
from tools.channels.twilio.options import TwilioOptions
from tools.channels.vendor import Options
from tools.channels.vendors import VENDORS
from tools.crm.connector import SystemOptions
from tools.crm.connectors import SYSTEMS
from tools.crm.csv.options import CsvOptions
from tools.crm.hubspot.options import HubSpotOptions
from tools.crm.klaviyo.options import KlaviyoOptions
from tools.crm.salesforce.options import SalesforceOptions
from tools.crm.shopify.options import ShopifyOptions
from tools.crm.sql.options import SqlOptions
from tools.crm.tryton.options import TrytonOptions
from tools.imap import ImapFolder
from tools.pop3 import Pop3Mailbox

SETTINGS_FILE = "noria.toml"
SECRETS_FILE = "secrets.toml"
CHANNEL_SECRETS = {
    "email": "NORIA_EMAIL_SECRET",
    "sms": "NORIA_SMS_SECRET",
    "audience": "NORIA_AUDIENCE_SECRET",
    "crm": "NORIA_CRM_SECRET",
}
"""What signs the messages of an HTTP channel."""
SECRET_NAMES = (
    "NORIA_STORE_URL",
    "NORIA_SMTP_PASSWORD",
    "NORIA_MAILBOX_PASSWORD",
    "NORIA_MODEL_API_KEY",
    "NORIA_EVENTS_KEY",
    "NORIA_SEGMENT_KEY",
    *CHANNEL_SECRETS.values(),
    *(name for vendor in VENDORS.values() for name in (vendor.key_name, vendor.webhook_name)),
    *(name for system in SYSTEMS.values() for name in system.secrets),
)
SERVING_SECRETS = (
    "NORIA_STORE_URL",
    "NORIA_EVENTS_KEY",
    "NORIA_SEGMENT_KEY",
    *(vendor.webhook_name for vendor in VENDORS.values()),
)
"""All that `noria serve` holds."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SmtpSettings(_Section):
    """The mail server; its password is NORIA_SMTP_PASSWORD."""

    host: str
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    connections: int = Field(default=4, ge=1, le=50)
    batch_size: int = Field(default=50, ge=1, le=1000)
    """Messages claimed at a time: so many may become unknown when a worker dies in mid-send."""
    dkim_selector: str = ""
    """Name under which the server's DKIM key is published; `noria doctor` looks it up."""


class WarmUpSettings(_Section):
    """How many messages a day a new sender may send, until it is known well enough."""

    starts_on: date
    first_day: int = Field(default=200, ge=1)
    factor: float = Field(default=1.5, ge=1, le=2)
    """By how much each day's number is that of the day before; mailbox providers distrust more than a doubling."""
    full: int = Field(default=50_000, ge=1)
    """From so many a day on there is no limit any more."""


class PaceSettings(_Section):
    """How fast a channel may be used; what is over the limit waits its turn."""

    per_second: float | None = Field(default=None, gt=0)
    domains: dict[str, Annotated[float, Field(gt=0)]] = {}
    """Messages a second to each receiving domain, for example "gmail.com"; "*" for those that are not named."""
    warm_up: WarmUpSettings | None = None


class HttpSettings(_Section):
    """What an endpoint that takes signed JSON can do; its secret is among CHANNEL_SECRETS."""

    batch: bool = False
    """One request for a whole batch instead of one for each message."""
    tells_each: bool = True
    """The answer to a batch says of each message how it ended."""
    idempotent: bool = True
    """The endpoint delivers a repeated Idempotency-Key once."""
    connections: int = Field(default=4, ge=1, le=50)
    batch_size: int | None = Field(default=None, ge=1, le=1000)
    """Messages claimed at a time; without it 200, and 50 where a request carries a whole batch."""
    timeout_seconds: float = Field(default=15, gt=0, le=120)
    max_length: int | None = Field(default=None, ge=1)
    """Longest text it takes, in characters."""


class _Way(_Section):
    """What every channel has: where its messages go, and how fast."""

    url: str = ""
    """For the kind http: the address of the endpoint."""
    http: HttpSettings = HttpSettings()
    pace: PaceSettings | None = None

    @field_validator("url")
    @classmethod
    def _url_is_one(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and not (parts.scheme in {"https", "http"} and parts.hostname):
            raise ValueError("the address of an endpoint is written like https://messages.example.com/sms")
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("the address of an endpoint out in the world must begin with https://")
        return value

    @property
    def provider(self) -> Options | None:
        """What is set for the provider that its kind names; None for any other kind."""
        vendor = VENDORS.get(getattr(self, "kind", ""))
        return None if vendor is None else getattr(self, vendor.name) or vendor.options()

    @property
    def posts_away(self) -> bool:
        """True when its messages leave this machine over HTTP."""
        return self.provider is not None or (bool(self.url) and not is_loopback(urlsplit(self.url).hostname or ""))

    @property
    def longest(self) -> int | None:
        """Longest text it takes, in characters; None for any."""
        vendor = VENDORS.get(getattr(self, "kind", ""))
        return self.http.max_length if vendor is None else vendor.longest

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> _Way:
        kind = getattr(self, "kind", "")
        if (kind == "http") != bool(self.url):
            raise ValueError('kind = "http", and no other, needs a url')
        vendor = VENDORS.get(kind)
        if vendor is not None and getattr(self, vendor.name) is None:
            needed = [name for name, field in vendor.options.model_fields.items() if field.is_required()]
            if needed:
                section = "channel" if vendor.carries == "email" else f"channels.{vendor.carries}"
                raise ValueError(f'kind = "{kind}" needs a section [{section}.{kind}] with {", ".join(needed)}')
        return self


class ChannelSettings(_Way):
    """How mail leaves: `sandbox` writes files into outbox/, `smtp` sends, `http` posts to an endpoint."""

    kind: Literal["sandbox", "smtp", "http", "sendgrid", "resend", "postmark", "mailgun", "brevo", "ses"] = "sandbox"
    message_cost_micros: int = Field(default=0, ge=0)
    """What one message costs, in millionths of the currency's minor unit; forecasts and spend limits count it."""
    smtp: SmtpSettings | None = None
    sendgrid: SendGridOptions | None = None
    resend: ResendOptions | None = None
    postmark: PostmarkOptions | None = None
    mailgun: MailgunOptions | None = None
    brevo: BrevoOptions | None = None
    ses: SesOptions | None = None

    @model_validator(mode="after")
    def _is_described(self) -> ChannelSettings:
        if self.kind == "smtp" and self.smtp is None:
            raise ValueError('kind = "smtp" needs a section [channel.smtp] with at least a host')
        return self


class SmsChannel(_Way):
    """How text messages leave: into files, to an endpoint, or through a provider."""

    kind: Literal["sandbox", "http", "twilio"]
    twilio: TwilioOptions | None = None


class OtherChannel(_Way):
    """How lines to advertising audiences leave: into files, or to an endpoint."""

    kind: Literal["sandbox", "http"]


class CrmChannel(_Way):
    """How what is written to the CRM leaves: into files, to an endpoint, or to a connected system."""

    kind: Literal["sandbox", "http", "hubspot", "salesforce", "tryton", "klaviyo"]

    @property
    def posts_away(self) -> bool:
        return self.kind in SYSTEMS or super().posts_away


class OtherChannels(_Section):
    """The channels besides e-mail; one that is not set is not there."""

    sms: SmsChannel | None = None
    audience: OtherChannel | None = None
    crm: CrmChannel | None = None


class ModelSection(_Section):
    """Any OpenAI-compatible model; without it the deterministic writer works. Its key is NORIA_MODEL_API_KEY."""

    base_url: str
    name: str
    structured_output: Literal["json_schema", "function_calling", "json_mode"] = "json_schema"
    timeout_seconds: float = Field(default=60, gt=0)
    critic: bool = False
    """Let the model add objections to the guardian's findings; it can never remove one."""


class WorkSettings(_Section):
    """How workers share the sending."""

    lease_seconds: float = Field(default=300, ge=2)
    """A worker that is silent for so long is taken for dead; what it had in flight is then settled by another."""


class SyncSettings(_Section):
    """The systems that the record is fed from; one that is not set is not read."""

    every_minutes: int = Field(default=15, ge=1)
    """How often the worker asks each for what changed."""
    round_seconds: float = Field(default=20, gt=0)
    """How long it reads in one round, so that nothing else has to wait for a long history."""
    hubspot: HubSpotOptions | None = None
    salesforce: SalesforceOptions | None = None
    tryton: TrytonOptions | None = None
    shopify: ShopifyOptions | None = None
    klaviyo: KlaviyoOptions | None = None
    sql: SqlOptions | None = None
    csv: CsvOptions | None = None

    @property
    def systems(self) -> dict[str, SystemOptions]:
        """Every system that is connected."""
        found = {name: getattr(self, name) for name in SYSTEMS}
        return {name: options for name, options in found.items() if options is not None}


class MailboxSettings(_Section):
    """Where bounces, reports and answers come to; the worker looks there. Its password is NORIA_MAILBOX_PASSWORD."""

    url: str = ""
    """A folder of an IMAP server, for example imaps://bounces@mail.example.com/INBOX, or pop3s://bounces@…"""
    maildir: Path | None = None
    """Or a Maildir on this machine."""
    every_seconds: int = Field(default=120, ge=10)

    @model_validator(mode="after")
    def _is_one(self) -> MailboxSettings:
        if bool(self.url) == (self.maildir is not None):
            raise ValueError("give either a url or a maildir")
        if self.url:
            mailbox = Pop3Mailbox.at(self.url) if self.url.startswith("pop3") else ImapFolder.at(self.url)
            if not mailbox.encrypted and not is_loopback(mailbox.host):
                raise ValueError("a mailbox out in the world must be read by imaps:// or pop3s://")
        elif self.maildir and not ((self.maildir / "new").is_dir() and (self.maildir / "cur").is_dir()):
            raise ValueError(f"{self.maildir} is no Maildir: it has no folders new and cur")
        return self


class TrackingSettings(_Section):
    """What is learned from links in messages; opens are never tracked."""

    clicks: bool = True
    """Lead links through `public_url` and count who follows them; without a public address nothing is counted."""
    human_after_seconds: int = Field(default=10, ge=0, le=3600)
    """Whoever clicks sooner after the send is taken for a machine."""


class ReviewSettings(_Section):
    """How much is put before people."""

    open_proposals: int = Field(default=5, ge=1)
    """Nobody judges more than this many at once; the rest is ranked and waits."""
    expires_after_days: int = Field(default=5, ge=1, le=60)
    programme_holdout_share: float = Field(default=0.02, ge=0, le=0.2)
    """Contacts outside all marketing, drawn anew each quarter."""
    spam_command: str = ""
    """Command that scores a message on its standard input, for example `spamc -c`; empty leaves messages unscored."""


class Settings(_Section):
    """What a team sets once."""

    name: str = Field(min_length=1)
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    fallback_zone: str = "Europe/Paris"
    """For contacts whose time zone is unknown."""
    day_first: bool = True
    """How to read 03/04/2025 where a whole column leaves it open."""
    sandbox: bool = True
    """A sandbox workspace may be answered from Agent Inbox; elsewhere only stored decisions of known people count."""
    store_url: str = ""
    """Empty for SQLite in the workspace; a postgresql+psycopg:// address otherwise, better set as NORIA_STORE_URL."""
    public_url: str = ""
    """Where contacts reach the unsubscribe page from the internet, for example https://news.example.com."""
    console_url: str = ""
    """Where people reach the console, for example https://noria.internal; links in notices begin with it."""
    playbooks: tuple[str, ...] = ()
    """Those that may be proposed; empty for all."""
    policy_pack: str = "base"
    channel: ChannelSettings = ChannelSettings()
    channels: OtherChannels = OtherChannels()
    model: ModelSection | None = None
    review: ReviewSettings = ReviewSettings()
    work: WorkSettings = WorkSettings()
    sync: SyncSettings = SyncSettings()
    tracking: TrackingSettings = TrackingSettings()
    mailbox: MailboxSettings | None = None
    roles: dict[str, Role] = {}
    """What each person may do on the command line, by identity; empty lets everybody do everything."""

    @property
    def reaches_people(self) -> bool:
        """True when messages may leave this machine; then only decisions of known people count, sandbox or not."""
        smtp = self.channel.smtp
        by_mail = self.channel.kind == "smtp" and smtp is not None and not is_loopback(smtp.host)
        return by_mail or any(way.posts_away for way in self.ways.values())

    @property
    def ways(self) -> dict[Channel, ChannelSettings | SmsChannel | OtherChannel | CrmChannel]:
        """Every channel that is there."""
        others: dict[Channel, SmsChannel | OtherChannel | CrmChannel | None] = {
            "sms": self.channels.sms,
            "audience": self.channels.audience,
            "crm": self.channels.crm,
        }
        return {"email": self.channel, **{name: way for name, way in others.items() if way is not None}}

    @model_validator(mode="after")
    def _writes_to_what_is_connected(self) -> Settings:
        kind = self.channels.crm.kind if self.channels.crm else ""
        if kind in SYSTEMS and kind not in self.sync.systems:
            raise ValueError(f'channels.crm: kind = "{kind}" needs a section [sync.{kind}]: noria connect {kind}')
        return self

    @field_validator("fallback_zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone {value}; write it like Europe/Paris") from error
        return value

    @field_validator("roles")
    @classmethod
    def _someone_governs(cls, value: dict[str, Role]) -> dict[str, Role]:
        if [one for one in value if one.startswith("console:")]:
            raise ValueError("people of the console have the role they were invited with: `noria users invite`")
        if wrong := [one for one in value if not re.match(r"cli:.", one)]:
            raise ValueError(f"{wrong[0]} is no identity; write it like cli:marie")
        if value and "admin" not in value.values():
            raise ValueError("somebody has to be an admin, or nobody could put a policy in force")
        return value

    @property
    def console_address(self) -> str:
        """Where people reach the console; this machine while nothing is set."""
        return self.console_url or "http://127.0.0.1:8321"

    @field_validator("public_url", "console_url")
    @classmethod
    def _address_is_https(cls, value: str) -> str:
        local = value.startswith(("http://127.0.0.1", "http://localhost"))
        if value and not (value.startswith("https://") or local):
            raise ValueError("the address must begin with https://")
        return value.rstrip("/")


class Secrets(BaseModel):
    """Secrets of a workspace; they never appear in logs, errors or the journal."""

    model_config = ConfigDict(frozen=True)

    values: dict[str, SecretStr] = {}

    def get(self, name: str) -> SecretStr | None:
        return self.values.get(name)


def load_settings(folder: Path) -> Settings:
    """Read `noria.toml`. Raises ConfigurationError with the line or key that is wrong."""
    path = folder / SETTINGS_FILE
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"There is no workspace in {folder}.", where=SETTINGS_FILE, remedy="Make one with `noria init FOLDER`."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"It is not valid TOML: {error}.", where=str(path), remedy="Mend that line."
        ) from error
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        raise _explained(error, path) from error


def load_secrets(folder: Path, environment: Mapping[str, str], names: tuple[str, ...] = SECRET_NAMES) -> Secrets:
    """Secrets from the environment, else from `secrets.toml`, which nobody but its owner may read.

    A process that may not act asks for the names it needs and keeps no other.
    """
    values: dict[str, Any] = {}
    path = folder / SECRETS_FILE
    if path.exists():
        if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(
                "Others can read this file of secrets.", where=str(path), remedy=f"Run: chmod 600 {path}"
            )
        try:
            values.update(tomllib.loads(path.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            # The message of the parser could quote a secret.
            raise ConfigurationError("It is not valid TOML.", where=str(path), remedy="Mend it.") from error
        if unknown := sorted(set(values) - set(SECRET_NAMES)):
            raise ConfigurationError(
                f"Unknown names: {', '.join(unknown)}.",
                where=str(path),
                remedy=f"Known are {', '.join(SECRET_NAMES)}.",
            )
    values.update({name: environment[name] for name in SECRET_NAMES if environment.get(name)})
    # Where secrets are kept as files, their last line ends as lines do.
    return Secrets(values={name: SecretStr(str(values[name]).rstrip("\r\n")) for name in names if name in values})


def _explained(error: ValidationError, path: Path) -> ConfigurationError:
    problems = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "file"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            alike = get_close_matches(str(item["loc"][-1]), Settings.model_fields, n=1) if len(item["loc"]) == 1 else []
            message = "there is no such setting" + "".join(f"; is it {name}?" for name in alike)
        problems.append(f"{key}: {message}")
    return ConfigurationError("; ".join(problems), where=str(path), remedy="Correct it and run the command again.")
