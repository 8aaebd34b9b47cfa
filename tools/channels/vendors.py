"""Every provider that Noria can work with, and the one place where its parts are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from pydantic import SecretStr

from tools.channels.brevo.options import VENDOR as BREVO
from tools.channels.channel import Channel
from tools.channels.mailgun.options import VENDOR as MAILGUN
from tools.channels.postmark.options import VENDOR as POSTMARK
from tools.channels.resend.options import VENDOR as RESEND
from tools.channels.sendgrid.options import VENDOR as SENDGRID
from tools.channels.ses.options import VENDOR as SES
from tools.channels.twilio.options import VENDOR as TWILIO
from tools.channels.vendor import Options, Vendor, checked_key

if TYPE_CHECKING:
    from tools.channels.webhook import Webhook

VENDORS: Final[Mapping[str, Vendor]] = {
    one.name: one for one in (SENDGRID, RESEND, POSTMARK, MAILGUN, BREVO, SES, TWILIO)
}


def import_channel(name: str) -> Callable[..., Channel]:
    """The channel of a provider, to be made; its HTTP client loads with it."""
    return cast("Callable[..., Channel]", import_module(f".{name}.channel", __package__).CHANNEL)


def open_channel(name: str, options: Options, *, key: SecretStr | None, public_url: str) -> Channel:
    """The way out through a provider. Raises ConfigurationError where it may not be used."""
    checked = checked_key(VENDORS[name], key, public_url)
    return import_channel(name)(options, checked, public_url)


def open_webhook(name: str, secret: SecretStr) -> Webhook:
    """How the reports of a provider are taken. Raises ConfigurationError for a secret that cannot be one."""
    made = cast("Callable[..., Webhook]", import_module(f".{name}.webhook", __package__).WEBHOOK)
    return made(secret.get_secret_value())
