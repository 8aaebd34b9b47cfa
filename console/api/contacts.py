"""Contacts: find one by any of their names, and see what they agreed to, with its proof."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict

from console.api.door import needs
from console.api.page import Limit, Page, page
from console.tokens import Caller
from console.wiring import Workspace
from memory import consents, contacts, preferences
from memory.consents import Consent
from memory.contacts import Contact
from memory.errors import NotAllowedError, NotFoundError
from memory.journal import append
from memory.preferences import Preferences
from policies.roles import reaches

Reader = Annotated[Caller, needs("contacts")]
_MOST_IDS = 2**63 - 1


class ContactItem(BaseModel):
    """A contact in a list."""

    model_config = ConfigDict(from_attributes=True)

    contact_id: int
    email: str | None
    first_name: str
    last_name: str
    company: str
    language: str
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ContactShown(BaseModel):
    """Everything that the store knows of a contact."""

    contact: Contact
    suppressed: dict[str, str]
    """Channels on which they are never written to, each with its reason."""
    consents: list[Consent]
    """Everything they agreed to or withdrew, oldest first."""
    preferences: Preferences


def routes(opened: Workspace) -> APIRouter:
    """The search, and one contact."""
    router = APIRouter(tags=["contacts"])

    @router.get("/contacts", summary="Find a contact, or list all of them by id")
    def search(
        caller: Reader,
        name: Annotated[
            str,
            Query(
                pattern=r"^[^\x00]{0,320}$",
                description="An e-mail address, an id of your own systems, or a contact id.",
            ),
        ] = "",
        after: Annotated[int, Query(ge=0, le=_MOST_IDS, description="The id of the last one that you have.")] = 0,
        limit: Limit = 50,
    ) -> Page[ContactItem]:
        """All of them only for an admin, and each page that is handed out is in the journal."""
        if name.strip():
            with opened.store.read() as connection:
                try:
                    found = [contacts.find(connection, name)]
                except NotFoundError:
                    found = []
        else:
            found = listed(caller, after, limit + 1)
        return page([ContactItem.model_validate(one) for one in found], limit, lambda one: one.contact_id)

    def listed(caller: Caller, after: int, limit: int) -> list[Contact]:
        if not reaches(caller.user.role, "admin"):
            raise NotAllowedError(
                f"{caller.user.name} is {caller.user.role}; to list all contacts takes the role admin.",
                where="name",
                remedy="Name a contact, or ask an admin.",
            )
        with opened.store.write() as connection:
            payload = {"after": after, "token": caller.token.token_id}
            append(
                connection,
                at=opened.clock.now(),
                actor=caller.actor,
                action="contacts.listed",
                subject="contacts",
                payload=payload,
            )
            return contacts.by_id(connection, after=after, limit=limit)

    @router.get("/contacts/{contact_id}", summary="Look at a contact")
    def show(contact_id: Annotated[int, Path(ge=1, le=_MOST_IDS)], _caller: Reader) -> ContactShown:
        """Whoever was merged into another is shown as that one."""
        with opened.store.read() as connection:
            found = contacts.get(connection, contact_id)
            return ContactShown(
                contact=found,
                suppressed=contacts.suppressed(connection, found),
                consents=consents.history(connection, found.contact_id),
                preferences=preferences.of_contact(connection, found.contact_id),
            )

    return router
