"""What an approved step writes into HubSpot, and what becomes of it when HubSpot misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from console.settings import load_settings
from memory.clock import ManualClock
from memory.errors import ConfigurationError
from memory.steps import CrmField, ExitStep, SendStep
from memory.steps import Sequence as PlaySequence
from memory.store import Store
from tests.console.test_settings import write
from tests.tools.crm.hubspot_server import HubSpotServer
from tests.tools.crm.server import KEY
from tests.tools.scene import NOW, add_contacts, counts, play, start, workplace
from tools.channels.channel import Failed, Outcome, Outgoing, Sent, Transient, Unknown
from tools.crm.hubspot.channel import HubSpotChannel
from tools.crm.hubspot.options import HubSpotOptions
from tools.worker import tick

ANN = "person1@shop.example.com"


@pytest.fixture
def server() -> Iterator[HubSpotServer]:
    with HubSpotServer() as found:
        found.put(1, first_name="Ann")
        yield found


def send(server: HubSpotServer, field: str, value: str, *, client_id: str = "", seconds: float = 5) -> Outcome:
    secrets = {name: SecretStr(KEY) for name in ("NORIA_HUBSPOT_KEY", "NORIA_HUBSPOT_CLIENT_SECRET")}
    secrets["NORIA_HUBSPOT_REFRESH_TOKEN"] = SecretStr(KEY)
    channel = HubSpotChannel(HubSpotOptions(client_id=client_id, subscription_id="77"), secrets, url=server.url)
    entry: dict[str, str | int | bool] = {"email": ANN, "field": field, "value": value}
    try:
        (outcome,) = channel.send_many([Outgoing("key", "", ANN, b"", entry)], seconds=seconds)
    finally:
        channel.close()
    return outcome


def test_a_property_and_the_lifecycle_stage_are_written(server: HubSpotServer) -> None:
    assert send(server, "loyalty_tier", "gold") == Sent("key", provider_id="1")
    assert send(server, "lifecyclestage", "customer") == Sent("key", provider_id="1")
    assert server.objects["contacts"][1]["properties"]["loyalty_tier"] == "gold"
    assert server.objects["contacts"][1]["properties"]["lifecyclestage"] == "customer"


@pytest.mark.parametrize(("field", "body", "kind"), [("task", "hs_task_subject", 204), ("note", "hs_note_body", 202)])
def test_a_task_for_sales_or_a_note_hangs_on_the_contact(
    server: HubSpotServer, field: str, body: str, kind: int
) -> None:
    assert isinstance(send(server, field, "Call about the roof"), Sent)
    (one,) = server.objects[f"{field}s"].values()
    assert one["properties"][body] == "Call about the roof"
    (link,) = server.requests[-1].document["associations"]
    assert link == {
        "to": {"id": "1"},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}],
    }


def test_a_withdrawal_is_passed_on_and_a_consent_is_never_made_up(server: HubSpotServer) -> None:
    assert isinstance(send(server, "consent", "withdrawn"), Sent)
    assert server.subscriptions == [{"action": "unsubscribe", "emailAddress": ANN, "subscriptionId": "77"}]
    refused = send(server, "consent", "granted")
    assert isinstance(refused, Failed)
    assert "from the contact" in refused.reason
    assert len(server.subscriptions) == 1
    assert isinstance(send(server, "hs_email_optout", "false"), Failed)
    assert len(server.requests) == 1


def test_a_property_that_hubspot_does_not_have_is_refused_without_its_words(server: HubSpotServer) -> None:
    assert send(server, "colour", "red") == Failed("key", "refused: 400 VALIDATION_ERROR")


def test_what_may_have_been_written_is_unknown_and_what_was_not_comes_again(server: HubSpotServer) -> None:
    # The contact is looked for first, which writes nothing.
    server.faults = [0, "cut body"]
    assert isinstance(send(server, "task", "Call"), Unknown)
    server.faults = [429] * 9
    assert isinstance(send(server, "lifecyclestage", "lead", seconds=0.5), Transient)
    server.faults = [401]
    refused = send(server, "lifecyclestage", "lead")
    assert isinstance(refused, Transient)
    assert refused.away


def test_a_token_that_ran_out_is_renewed(server: HubSpotServer) -> None:
    server.token = "what was valid until now"
    server.faults = ["expire"]
    assert isinstance(send(server, "lifecyclestage", "lead", client_id="app"), Sent)
    assert server.renewals == 2


@pytest.mark.parametrize("field", ["lifecyclestage", "task"])
def test_what_a_batch_says_it_refused_was_not_sent(server: HubSpotServer, field: str) -> None:
    server.refused = {"numErrors": 1, "errors": [{"category": "CONFLICT", "message": ANN}]}
    assert send(server, field, "customer") == Failed("key", "refused: 207 CONFLICT")
    assert not server.objects["tasks"]


def test_what_a_batch_says_nothing_of_is_not_called_sent(server: HubSpotServer) -> None:
    server.refused = {}
    assert isinstance(send(server, "lifecyclestage", "customer"), Unknown)
    assert isinstance(send(server, "task", "Call"), Failed)
    assert not server.objects["tasks"]


def test_where_no_token_can_be_had_nothing_left_and_it_comes_again(server: HubSpotServer) -> None:
    server.token_faults = [503] * 9
    assert isinstance(send(server, "lifecyclestage", "lead", client_id="app", seconds=0.5), Transient)
    server.token_faults = [503]
    assert isinstance(send(server, "lifecyclestage", "lead", client_id="app"), Sent)


def test_the_step_of_a_campaign_is_written_once_after_the_gate(
    server: HubSpotServer, store: Store, tmp_path: Path
) -> None:
    channel = HubSpotChannel(HubSpotOptions(), {"NORIA_HUBSPOT_KEY": SecretStr(KEY)}, url=server.url)
    place = workplace(store, ManualClock(NOW), tmp_path, channels={"crm": channel})
    add_contacts(store, [1])
    step = SendStep(key="crm", channel="crm", crm_field=CrmField(name="lifecyclestage", value="customer"))
    sequence = PlaySequence(key="one", title="One", steps=(step, ExitStep(key="end")), share=1)
    start(place, play(sequences=(sequence,)), [1])
    tick(place)
    tick(place)
    channel.close()
    written = [one for one in server.requests if one.path.endswith("upsert")]
    assert len(written) == 1
    assert counts(store) == {"sent": 1}


def test_the_channel_needs_the_system(tmp_path: Path) -> None:
    text = 'name = "Shop"\n[channels.crm]\nkind = "hubspot"\n'
    with pytest.raises(ConfigurationError, match=r"\[sync.hubspot\]"):
        load_settings(write(tmp_path, text))
    assert load_settings(write(tmp_path, f"{text}[sync.hubspot]\n")).reaches_people
