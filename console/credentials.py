"""What proves who somebody is: passwords, one-time codes of an authenticator app, and tokens that nobody can guess."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import secrets
from datetime import datetime

import pyotp
import segno
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from markupsafe import Markup

from memory.errors import InvalidInputError

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256
_HASHER = PasswordHasher()
# Checked against when nobody has that name, so that an answer takes equally long.
_NOBODYS = "$argon2id$v=19$m=65536,t=3,p=4$pt77YOSWIXTndPmhlY8EIA$cPZjrCbqf2vkuLhNwSktBOpR8CrY5oqY6wP+tb3JUYY"


def draw_token() -> str:
    """A token for a link or a browser: 256 random bits."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def hash_password(password: str) -> str:
    """What is kept of a password (Argon2id, RFC 9106). Raises InvalidInputError for one that is too short."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInputError(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters.",
            where="password",
            remedy="Take a few words that do not belong together.",
        )
    return _HASHER.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether it is the password; without a hash it is none, after the same time."""
    try:
        _HASHER.verify(password_hash or _NOBODYS, password[:LONGEST_PASSWORD])
    except (VerifyMismatchError, InvalidHashError):
        return False
    return password_hash is not None


def draw_second_factor() -> str:
    """A new secret for an authenticator app, in base 32."""
    return pyotp.random_base32()


def is_second_factor(secret: str) -> bool:
    """Whether it looks like a secret that was drawn here."""
    return re.fullmatch("[A-Z2-7]{32}", secret) is not None


def app_link(secret: str, name: str, organisation: str) -> str:
    """The link that authenticator apps open."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"Noria {organisation}")


def qr_code(link: str) -> Markup:
    """The link as a picture for the camera of a telephone: SVG that needs neither style nor script."""
    drawn = segno.make_qr(link, error="m").svg_inline(omitsize=True, svgclass=None, lineclass=None, light="#ffffff")
    return Markup(drawn)  # noqa: S704 - our own drawing, squares alone


def step_of(secret: str, code: str, at: datetime) -> int | None:
    """The time step of 30 seconds that a code belongs to, one before and one after included; None if to none."""
    now, given = int(at.timestamp()) // 30, code.replace(" ", "").encode()
    try:
        app = pyotp.TOTP(secret)
        codes = {step: app.generate_otp(step).encode() for step in (now, now - 1, now + 1)}
    except binascii.Error:
        return None
    return next((step for step, right in codes.items() if hmac.compare_digest(right, given)), None)
