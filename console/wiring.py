"""The one place where concrete parts are picked: a workspace folder becomes a working Noria."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from console.packs import Shelf
from console.secrets import KeptSecrets
from console.settings import (
    CHANNEL_SECRETS,
    SECRET_NAMES,
    SETTINGS_FILE,
    Secrets,
    Settings,
    load_secrets,
    load_settings,
)
from memory.clock import Clock
from memory.errors import ConfigurationError, NoriaError
from memory.store import Store
from memory.workspace import StoreClock, salt

# Heavy libraries load with the part that needs them, so that every command starts at once.
if TYPE_CHECKING:
    from pydantic import SecretStr

    from agents.desk import Desk
    from agents.playbook import Playbook
    from agents.provider import Provider
    from agents.resume import Threads
    from memory.brand import Brand
    from memory.lake import Lake
    from memory.steps import Channel as ChannelName
    from memory.vectors import VectorMemory
    from policies.pack import Pack
    from tools.channels.channel import Channel
    from tools.channels.webhook import Webhook
    from tools.crm.connector import Connector, System
    from tools.mailbox import Taken
    from tools.pace import Pace
    from tools.workplace import Workplace

_SHORTEST_KEY = 32
_ROOT = Path(__file__).parents[1]
PACKAGED_PLAYBOOKS = _ROOT / "agents" / "playbooks"
EXAMPLE_BRAND = PACKAGED_PLAYBOOKS / "brand.example.yaml"
BRAND_FILE = "brand.yaml"


class Workspace:
    """One organisation's folder with every part of Noria, each made when it is first needed."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], secret_names: tuple[str, ...] = SECRET_NAMES
    ) -> None:
        """``secret_names`` limits what this process may hold; serving pages needs no more than the store."""
        self.folder = folder
        self._secret_names = secret_names
        self._environment = environment
        self.settings: Settings = load_settings(folder)
        self._looks_at = 0.0
        self._kept: dict[str, KeptSecrets] = {}
        self._house = self._read_house()
        self.lock = threading.Lock()
        """Held by whoever uses the desk where several do at once: its parts are made when they are first needed."""

    @cached_property
    def store(self) -> Store:
        """The store, brought to this release's schema."""
        store = Store(self.store_url)
        store.migrate()
        with store.write() as connection:
            salt(connection)
        return store

    @property
    def store_url(self) -> str:
        secret = self._secrets.get("NORIA_STORE_URL")
        if secret is not None:
            return secret.get_secret_value()
        return self.settings.store_url or f"sqlite:///{self.folder / 'store.db'}"

    @cached_property
    def lake(self) -> Lake:
        from memory.lake import Lake

        return Lake(self.folder / "lake")

    @cached_property
    def clock(self) -> Clock:
        return StoreClock(self.store)

    @cached_property
    def vectors(self) -> VectorMemory:
        from memory.vectors import SentenceEncoder, VectorMemory

        return VectorMemory(self.folder / "vectors", SentenceEncoder())

    @cached_property
    def brand(self) -> Brand:
        """Raises ConfigurationError while the brand file is missing or wrong."""
        from memory.brand import load_brand

        path = self.folder / BRAND_FILE
        if not path.is_file():
            raise ConfigurationError(
                "There is no brand file.", where=str(path), remedy="`noria init` writes one to fill in."
            )
        return load_brand(path.read_text(encoding="utf-8"), str(path))

    @cached_property
    def example_brand(self) -> Brand:
        """The brand that `noria init` writes, to be filled in."""
        from memory.brand import load_brand

        return load_brand(EXAMPLE_BRAND.read_text(encoding="utf-8"), str(EXAMPLE_BRAND))

    @cached_property
    def pack(self) -> Pack:
        """The policy pack in force: the workspace's own of that name, or one that comes with Noria."""
        return self.read_pack(self.settings.policy_pack)

    def read_pack(self, name: str) -> Pack:
        """A pack by name; a team's own packs may extend the packaged ones."""
        if name not in self.packs.files:
            raise ConfigurationError(
                f"There is no policy pack {name}.",
                where=SETTINGS_FILE,
                remedy=f"Set policy_pack to one of {', '.join(sorted(self.packs.files))}, or write packs/{name}.yaml.",
            )
        return self.packs.read(name)

    def take_up_policy(self) -> bool:
        """Read the settings and packs again; True if another policy is in force, which desk and workplace then have.

        Raises ConfigurationError or PackError where they cannot be read; the policy then stays as it was.
        """
        wanted, fresh = load_settings(self.folder).policy_pack, Shelf(self.packs.folders)
        if wanted == self.settings.policy_pack and fresh.texts == self.packs.texts:
            return False
        before = self.pack.version
        parts = ("packs", "pack", "desk", "workplace")
        kept = {name: self.__dict__.pop(name) for name in parts if name in self.__dict__}
        settings, self.settings = self.settings, self.settings.model_copy(update={"policy_pack": wanted})
        try:
            return self.pack.version != before
        except NoriaError:
            self.settings = settings
            self.__dict__.update(kept)
            raise

    def take_up_house(self) -> bool:
        """Read brand file and playbooks again; True if they changed, and desk and workplace then have the new ones.

        Raises ConfigurationError or PlaybookError where they cannot be read; all then stays as it was.
        """
        now = self._read_house()
        if now == self._house:
            return False
        before, self._house = self._house, now
        parts = ("brand", "playbooks", "desk", "workplace")
        kept = {name: self.__dict__.pop(name) for name in parts if name in self.__dict__}
        try:
            _ = self.brand, self.playbooks
        except NoriaError:
            self._house = before
            self.__dict__.update(kept)
            raise
        self.keep_brand_facts()
        return True

    def _read_house(self) -> dict[str, bytes]:
        """What stands in the brand file and in the team's own playbooks, by file."""
        own = self.folder / "playbooks"
        files = [self.folder / BRAND_FILE, *(sorted(own.rglob("*")) if own.is_dir() else ())]
        return {str(path): path.read_bytes() for path in files if path.is_file()}

    @cached_property
    def packs(self) -> Shelf:
        """The packs that come with Noria and the team's own."""
        return Shelf((self.folder / "packs",))

    @cached_property
    def playbooks(self) -> dict[str, Playbook]:
        """The packaged playbooks and the team's own (of the same name, the own one), or those of them in the settings.

        Raises ConfigurationError for a name that no playbook has.
        """
        from agents.playbook import load_playbooks

        own = self.folder / "playbooks"
        found = {**load_playbooks(PACKAGED_PLAYBOOKS), **(load_playbooks(own) if own.is_dir() else {})}
        wanted = self.settings.playbooks
        if unknown := sorted(set(wanted) - found.keys()):
            raise ConfigurationError(
                f"There is no playbook {', '.join(unknown)}.",
                where=f"{SETTINGS_FILE}, playbooks",
                remedy=f"There are: {', '.join(sorted(found))}.",
            )
        return {name: found[name] for name in wanted} if wanted else found

    @cached_property
    def public_url(self) -> str:
        """Where unsubscribe links lead; loopback while nothing else is set."""
        return self.settings.public_url or "http://127.0.0.1:8321"

    @property
    def events_key(self) -> SecretStr | None:
        """What a shop signs its events with; None keeps their door shut. Raises ConfigurationError for a short one."""
        return self._key_of_a_door("NORIA_EVENTS_KEY")

    @property
    def segment_key(self) -> SecretStr | None:
        """The write key of senders that speak the Segment protocol; None keeps their door shut."""
        return self._key_of_a_door("NORIA_SEGMENT_KEY")

    def _key_of_a_door(self, name: str) -> SecretStr | None:
        key = self._secrets.get(name)
        if key is not None and len(key.get_secret_value()) < _SHORTEST_KEY:
            raise ConfigurationError(
                f"The key for events has fewer than {_SHORTEST_KEY} characters.",
                where=name,
                remedy="Draw one: openssl rand -hex 32",
            )
        return key

    @cached_property
    def webhooks(self) -> dict[str, Webhook]:
        """The providers whose reports are taken: those whose secret is set. Raises ConfigurationError."""
        from tools.channels.vendors import VENDORS, open_webhook

        found = {name: self._secrets.get(vendor.webhook_name) for name, vendor in VENDORS.items()}
        return {name: open_webhook(name, secret) for name, secret in found.items() if secret is not None}

    @cached_property
    def channels(self) -> dict[str, Channel]:
        """How messages leave. Only the worker asks for it: it is the one part that holds credentials that can send."""
        return {name: self._channel(name) for name in self.settings.ways}

    def _channel(self, name: ChannelName) -> Channel:
        way = self.settings.ways[name]
        if way.kind == "sandbox":
            from tools.channels.sandbox import SandboxChannel

            return SandboxChannel(self.folder / "outbox", name)
        if way.kind == "http":
            from tools.channels.http import HttpChannel, HttpEndpoint

            secret = self._secrets.get(CHANNEL_SECRETS[name])
            endpoint = HttpEndpoint(url=way.url, carries=name, secret=secret, **way.http.model_dump())
            return HttpChannel(endpoint, public_url=self.settings.public_url)
        if way.provider is not None:
            from tools.channels.vendors import VENDORS, open_channel

            key = self._secrets.get(VENDORS[way.kind].key_name)
            return open_channel(way.kind, way.provider, key=key, public_url=self.settings.public_url)
        if (options := self.settings.sync.systems.get(way.kind)) is not None:
            from tools.crm.connectors import SYSTEMS, open_channel_to

            return open_channel_to(way.kind, options, self.secrets_of(SYSTEMS[way.kind]))
        from tools.channels.smtp import SmtpChannel, SmtpServer

        smtp = self.settings.channel.smtp
        assert smtp is not None
        server = SmtpServer(
            host=smtp.host,
            port=smtp.port,
            security=smtp.security,
            username=smtp.username,
            password=self._secrets.get("NORIA_SMTP_PASSWORD"),
            connections=smtp.connections,
            batch_size=smtp.batch_size,
        )
        return SmtpChannel(server, public_url=self.settings.public_url)

    def connector(self, name: str, *, patience_seconds: float = 120) -> Connector:
        """The way into a connected system, and how long a busy one is asked again. Raises ConfigurationError."""
        from tools.crm.connectors import SYSTEMS, open_connector

        chosen = self.settings.sync.systems.get(name)
        if chosen is None:
            known = name in SYSTEMS
            raise ConfigurationError(
                f"{SYSTEMS[name].title} is not connected." if known else f"There is no system {name}.",
                where=f"{SETTINGS_FILE}, sync",
                remedy=f"Run `noria connect {name}`." if known else f"There are: {', '.join(SYSTEMS)}.",
            )
        return open_connector(name, chosen, self.secrets_of(SYSTEMS[name]), patience_seconds=patience_seconds)

    def secrets_of(self, system: System) -> KeptSecrets:
        """The same ones each time: all who speak to a system know a token that it changed."""
        held = {one: self._secrets.get(one) for one in system.secrets}
        return self._kept.setdefault(system.name, KeptSecrets(held, self.folder, self._environment))

    @property
    def paces(self) -> dict[str, Pace]:
        """How fast each channel may be used, for those with a limit."""
        from tools.pace import Pace, WarmUp

        return {
            name: Pace(
                per_second=way.pace.per_second,
                domains=way.pace.domains,
                warm_up=WarmUp(**way.pace.warm_up.model_dump()) if way.pace.warm_up else None,
            )
            for name, way in self.settings.ways.items()
            if way.pace is not None
        }

    @cached_property
    def provider(self) -> Provider:
        """The writer: a model when one is configured, deterministic rules otherwise."""
        from agents.rules import RulesProvider

        section = self.settings.model
        if section is None:
            return RulesProvider()
        from agents.model import Model, ModelSettings
        from agents.model_provider import ModelProvider

        key = self._secrets.get("NORIA_MODEL_API_KEY")
        settings = ModelSettings(
            base_url=section.base_url,
            model=section.name,
            timeout_seconds=section.timeout_seconds,
            structured_method=section.structured_output,
            **({"api_key": key} if key is not None else {}),
        )
        return ModelProvider(Model(settings), RulesProvider())

    @cached_property
    def desk(self) -> Desk:
        """What the agents work with."""
        from agents.desk import Desk, DeskSettings

        return Desk(
            store=self.store,
            lake=self.lake,
            clock=self.clock,
            pack=self.pack,
            playbooks=self.playbooks,
            brand=self.brand,
            provider=self.provider,
            vectors=self.vectors,
            settings=DeskSettings(
                currency=self.settings.currency,
                channels={name: way.longest for name, way in self.settings.ways.items()},
                programme_share=self.settings.review.programme_holdout_share,
                fallback_zone=self.settings.fallback_zone,
                open_limit=self.settings.review.open_proposals,
                message_cost_micros=self.settings.channel.message_cost_micros,
                expires_days=self.settings.review.expires_after_days,
                roles=self.settings.roles,
                sandbox=self.settings.sandbox and not self.settings.reaches_people,
                spam_command=self.settings.review.spam_command,
                critic=bool(self.settings.model and self.settings.model.critic),
            ),
        )

    def mailbox_is_due(self) -> bool:
        """Whether it is time to look into the mailbox again; saying yes counts as having looked."""
        mailbox = self.settings.mailbox
        if mailbox is None or time.monotonic() < self._looks_at:
            return False
        self._looks_at = time.monotonic() + mailbox.every_seconds
        return True

    def take_mail(self, maildir: Path | None = None) -> Taken | None:
        """Read what came by mail, from a Maildir or the mailbox of the settings; None where there is none.

        Only the worker and people's own commands do: it takes the password. Raises ConfigurationError.
        """
        mailbox = self.settings.mailbox
        if maildir is None and mailbox is None:
            return None
        from tools.mailbox import take_from, take_maildir

        now = self.clock.now()
        if mailbox is None or not mailbox.url or maildir is not None:
            folder = maildir or (mailbox.maildir if mailbox else None)
            assert folder is not None
            return take_maildir(self.store, folder, now)
        password = self._secrets.get("NORIA_MAILBOX_PASSWORD")
        if password is None:
            raise ConfigurationError(
                "The password of the mailbox is not set.",
                where="NORIA_MAILBOX_PASSWORD",
                remedy="Set it in the environment or in secrets.toml.",
            )
        return take_from(self.store, mailbox.url, password.get_secret_value(), now)

    def keep_brand_facts(self) -> None:
        """Write the claims of the brand file to the store, when a process starts that words or judges messages."""
        from memory.offers import keep_brand_facts

        with self.store.write() as connection:
            keep_brand_facts(connection, self.brand)

    @contextmanager
    def threads(self) -> Iterator[Threads]:
        """The deliberations of this workspace, with their checkpoints."""
        from agents.checkpoints import open_checkpoints
        from agents.resume import Threads

        _log_to_stderr()
        self.keep_brand_facts()
        with open_checkpoints(self.store, self.folder) as saver:
            yield Threads(self.desk, saver)

    @cached_property
    def workplace(self) -> Workplace:
        """What the worker acts with."""
        from tools.workplace import Workplace

        return Workplace(
            store=self.store,
            lake=self.lake,
            pack=self.pack,
            clock=self.clock,
            channels=self.channels,
            paces=self.paces,
            public_url=self.public_url,
            click_url=self.settings.public_url if self.settings.tracking.clicks else "",
            currency=self.settings.currency,
            programme_share=self.settings.review.programme_holdout_share,
            example_brand=self.example_brand if self.settings.reaches_people else None,
            lease_seconds=self.settings.work.lease_seconds,
        )

    @property
    def may_send(self) -> bool:
        """Whether this process may hold the keys that send; one that serves pages may not."""
        return set(SECRET_NAMES) <= set(self._secret_names)

    def secret(self, name: str) -> SecretStr | None:
        """A secret that this process may hold; None where it is not set."""
        return self._secrets.get(name)

    def holds(self, secret_name: str) -> bool:
        """Whether a secret is set, for whoever need not know it."""
        return self._secrets.get(secret_name) is not None

    @cached_property
    def _secrets(self) -> Secrets:
        return load_secrets(self.folder, self._environment, self._secret_names)

    def close(self) -> None:
        """Hang up on every server and let go of the store and the vector memory, as far as they were used."""
        for channel in self.__dict__.get("channels", {}).values():
            channel.close()
        if "vectors" in self.__dict__:
            self.vectors.close()
        if "store" in self.__dict__:
            self.store.close()


def _log_to_stderr() -> None:
    """Keep the log apart from what a command answers on stdout."""
    import structlog

    # Looked up for each line, because stderr may be another by then.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@contextmanager
def open_workspace(folder: Path | None = None, secret_names: tuple[str, ...] = SECRET_NAMES) -> Iterator[Workspace]:
    """Open the workspace in a folder, or in the current folder or the nearest one above it."""
    workspace = Workspace(find_workspace(folder), os.environ, secret_names)
    try:
        yield workspace
    finally:
        workspace.close()


def find_workspace(folder: Path | None) -> Path:
    """The folder that holds `noria.toml`. Raises ConfigurationError when there is none."""
    if folder is not None:
        return folder.resolve()
    nearest = nearest_workspace()
    if nearest is not None:
        return nearest
    raise ConfigurationError(
        "There is no workspace here or in a folder above.",
        where=str(Path.cwd()),
        remedy="Go to one, name it with --workspace, or make one with `noria init FOLDER`.",
    )


def nearest_workspace() -> Path | None:
    """The current folder or the nearest one above it that holds `noria.toml`; None when there is none."""
    return next((one for one in (Path.cwd(), *Path.cwd().parents) if (one / SETTINGS_FILE).is_file()), None)
