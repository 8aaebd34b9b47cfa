"""Tryton as it is installed from PyPI: a database on SQLite, a server on this machine, its own client."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import httpx

from tests.tools.mail_server import free_port

DATABASE, PASSWORD = "crm", "maple-syrup-2024"
_PATIENCE_SECONDS = 120


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of a server with parties and opportunities, and nobody in it but ``admin``."""
    port = free_port()
    (folder / "trytond.conf").write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n", encoding="utf-8"
    )
    (folder / f"{DATABASE}.sqlite").touch()
    (folder / "password").write_text(PASSWORD, encoding="utf-8")
    # Where that library is installed, Tryton asks name servers on the internet about every address.
    (folder / "email_validator.py").write_text("raise ImportError\n", encoding="utf-8")
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PYTHONPATH": str(folder), "TRYTONPASSFILE": str(folder / "password")}
    common = ["-c", str(folder / "trytond.conf"), "-d", DATABASE]
    subprocess.run(
        [
            programs / "trytond-admin",
            *common,
            "-u",
            "sale_opportunity",
            "--activate-dependencies",
            "--no-indexes",
            "--email",
            "admin@shop.example.com",
        ],
        env=environment,
        check=True,
    )
    url = f"http://127.0.0.1:{port}"
    with (
        (folder / "trytond.log").open("wb") as log,
        subprocess.Popen([programs / "trytond", *common], env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            _answers(url)
            yield url
        finally:
            server.terminate()


def _answers(url: str) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            httpx.post(f"{url}/rpc/", json={"method": "common.server.version", "params": []}, trust_env=False)
        except httpx.TransportError:
            assert time.monotonic() < until, "trytond did not start"
            time.sleep(0.1)
        else:
            return


def fill(proteus: ModuleType) -> None:
    """A company, a user for Noria who may change opportunities, two parties, and an opportunity of the first."""
    model = proteus.Model.get
    currency = model("currency.currency")(name="Euro", symbol="€", code="EUR")
    currency.save()
    owner = model("party.party")(name="Maple Tea")
    owner.save()
    wizard = proteus.Wizard("company.company.config")
    wizard.execute("company")
    wizard.form.party, wizard.form.currency = owner, currency
    wizard.execute("add")
    (company,) = model("company.company").find()
    (group,) = model("res.group").find([("name", "=", "Sale Opportunity")])
    user = model("res.user")(name="Noria", login="noria", password=PASSWORD)
    user.groups.append(group)
    user.companies.append(company)
    user.company = company
    user.save()
    (french,) = model("ir.lang").find([("code", "=", "fr")])
    france = model("country.country")(name="France", code="FR")
    france.save()
    for number, name in ((1, "Ann Lee"), (2, "Bo Roy")):
        party = model("party.party")(name=name, lang=french)
        party.contact_mechanisms.new(type="email", value=f"Contact{number}@shop.example.com")
        party.contact_mechanisms.new(type="mobile", value=f"+3360000000{number}")
        place = party.addresses[0]
        place.street_unstructured, place.postal_code, place.city, place.country = "1 rue X", "75001", "Paris", france
        party.save()
