"""SPF, DKIM and DMARC of the sender, as mailbox providers ask of bulk senders (Google 81126, Yahoo, Microsoft)."""

from __future__ import annotations

import base64
import binascii

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

from console.doctor.diagnosis import Diagnosis, failure, warning, well

# A 1024-bit RSA public key is 162 bytes as SubjectPublicKeyInfo.
_RSA_1024_BYTES = 160


class _UnreachableError(Exception):
    """The name servers did not answer, which says nothing about the record."""


def check_sender(address: str, dkim_selector: str, resolver: Resolver) -> list[Diagnosis]:
    """Look up the three records of the sender's domain; the visible From must align with SPF or DKIM."""
    domain = address.rpartition("@")[2].lower()
    try:
        return [_spf(domain, resolver), _dkim(domain, dkim_selector, resolver), _dmarc(domain, resolver)]
    except _UnreachableError:
        remedy = "Run `noria doctor` where name servers can be reached, before you write to more than a few people."
        return [warning("sender", f"No name server answered, so the records of {domain} were not checked.", remedy)]


def _spf(domain: str, resolver: Resolver) -> Diagnosis:
    found = [text for text in _texts(domain, resolver) if text.lower().split(" ")[0] == "v=spf1"]
    if not found:
        return failure(
            "SPF", f"{domain} publishes no SPF record.", "Add the TXT record that your mail server's operator gives."
        )
    if len(found) > 1:
        return failure("SPF", f"{domain} publishes {len(found)} SPF records; one is allowed.", "Merge them into one.")
    if found[0].rstrip().endswith("+all"):
        return failure("SPF", f"The SPF record of {domain} lets anybody send (+all).", "End it with ~all or -all.")
    return well("SPF", f"{domain}: {found[0]}")


def _dkim(domain: str, selector: str, resolver: Resolver) -> Diagnosis:
    if not selector:
        return warning(
            "DKIM",
            "The DKIM key was not looked up, because its selector is not set.",
            "Set dkim_selector in [channel.smtp]; the operator of the mail server knows it.",
        )
    name = f"{selector}._domainkey.{domain}"
    tags = next((_tags(text) for text in _texts(name, resolver) if "p" in _tags(text)), None)
    if tags is None:
        return failure("DKIM", f"There is no DKIM key at {name}.", "Publish the key, or correct dkim_selector.")
    if not tags["p"]:
        return failure("DKIM", f"The DKIM key at {name} was revoked.", "Publish a new key.")
    try:
        key = base64.b64decode(tags["p"], validate=True)
    except binascii.Error:
        return failure("DKIM", f"The DKIM key at {name} is damaged.", "Publish it again, without spaces or breaks.")
    if tags.get("k", "rsa") == "rsa" and len(key) < _RSA_1024_BYTES:
        return failure("DKIM", f"The DKIM key at {name} is shorter than 1024 bits.", "Publish one of 2048 bits.")
    return well("DKIM", f"{name} holds a key, aligned with the From address.")


def _dmarc(domain: str, resolver: Resolver) -> Diagnosis:
    labels = domain.split(".")
    # A subdomain without a record of its own inherits the one of its parent (RFC 7489, 6.6.3).
    for start in range(len(labels) - 1):
        name = "_dmarc." + ".".join(labels[start:])
        tags = next((_tags(text) for text in _texts(name, resolver) if text.lower().startswith("v=dmarc1")), None)
        if tags is None:
            continue
        policy = tags.get("p", "")
        if policy not in {"none", "quarantine", "reject"}:
            return failure("DMARC", f"{name} has no valid policy.", "Add p=none, p=quarantine or p=reject.")
        return well("DMARC", f"{name}: p={policy}")
    return failure(
        "DMARC",
        f"{domain} publishes no DMARC record.",
        f'Add a TXT record at _dmarc.{domain}, at least "v=DMARC1; p=none".',
    )


def _texts(name: str, resolver: Resolver) -> list[str]:
    try:
        answer = resolver.resolve(name, "TXT")
    except (NXDOMAIN, NoAnswer):
        return []
    except DNSException as error:
        raise _UnreachableError from error
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}
