"""Settings and secrets: clear about what is wrong and where, silent about what is secret."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from console.cli.setup import SETTINGS_TEXT
from console.settings import load_secrets, load_settings
from console.wiring import Workspace, find_workspace
from memory.errors import ConfigurationError
from tools.pace import Pace, WarmUp

GOOD = SETTINGS_TEXT.format(name="Shop", currency="EUR", zone="Europe/Paris")


def write(folder: Path, text: str) -> Path:
    (folder / "noria.toml").write_text(text, encoding="utf-8")
    return folder


def test_the_settings_that_init_writes_are_valid(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, GOOD)).review.open_proposals == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not valid TOML"),
        ('name = "x"\ncolour = "red"', "colour"),
        ('name = "x"\nfallback_zone = "Mars/Base"', "no time zone Mars/Base"),
        ('name = "x"\ncurrency = "euro"', "currency"),
        ('name = "x"\npublic_url = "http://news.example.com"', "https://"),
        ('name = "x"\n[channel]\nkind = "smtp"', "channel.smtp"),
        ('name = "x"\n[channel]\nkind = "mailgun"', r"\[channel.mailgun\] with domain"),
        ('name = "x"\n[channel]\nkind = "ses"\n[channel.ses]\ntest = true', "Amazon SES has no test; it has"),
        ('name = "x"\n[channel]\nkind = "resend"\n[channel.resend]\nregion = "eu"', "Resend has no region"),
        ('name = "x"\n[channel]\nkind = "twilio"', "channel.kind"),
        ('name = "x"\n[channels.audience]\nkind = "twilio"', "channels.audience.kind"),
        ('name = "x"\n[channels.sms]\nkind = "twilio"', r"\[channels.sms.twilio\] with account"),
        ('name = "x"\n[channel]\nkind = "brevo"\nurl = "https://x.example.com"', "no other, needs a url"),
        ('name = "x"\n[review]\nopen_proposals = 0', "review.open_proposals"),
        ('name = "x"\n[roles]\nmarie = "admin"', "marie is no identity"),
        ('name = "x"\n[roles]\n"cli:marie" = "approver"', "somebody has to be an admin"),
        ('name = "x"\n[roles]\n"console:marie" = "admin"', "the role they were invited with"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_settings(write(tmp_path, text))


def test_a_folder_without_settings_is_no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="noria init"):
        find_workspace(None)
    with pytest.raises(ConfigurationError, match="noria init"):
        load_settings(tmp_path)


def test_a_workspace_is_found_from_a_folder_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = write(tmp_path, GOOD) / "packs"
    inside.mkdir()
    monkeypatch.chdir(inside)
    assert find_workspace(None) == tmp_path


def test_the_environment_wins_over_the_file_of_secrets(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text('NORIA_SMTP_PASSWORD = "from file"\nNORIA_MODEL_API_KEY = "key"\n', encoding="utf-8")
    path.chmod(0o600)
    secrets = load_secrets(tmp_path, {"NORIA_SMTP_PASSWORD": "from environment", "OTHER": "x"})
    password, key = secrets.get("NORIA_SMTP_PASSWORD"), secrets.get("NORIA_MODEL_API_KEY")
    assert password is not None
    assert key is not None
    assert password.get_secret_value() == "from environment"
    assert "key" not in repr(secrets).replace("API_KEY", "")


@pytest.mark.parametrize(("mode", "refused"), [(0o600, False), (0o640, True), (0o604, True)])
def test_a_file_of_secrets_that_others_can_read_is_refused(tmp_path: Path, mode: int, refused: bool) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text('NORIA_SMTP_PASSWORD = "s3cret"\n', encoding="utf-8")
    path.chmod(mode)
    if refused:
        with pytest.raises(ConfigurationError, match="chmod 600"):
            load_secrets(tmp_path, {})
    else:
        assert load_secrets(tmp_path, {}).get("NORIA_SMTP_PASSWORD") is not None


@pytest.mark.parametrize("text", ['NORIA_PASSWORD = "s3cret"', 'NORIA_SMTP_PASSWORD = "s3cret'])
def test_a_damaged_file_of_secrets_never_quotes_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        load_secrets(tmp_path, {})
    assert "s3cret" not in str(caught.value)


def test_mail_to_the_world_needs_a_public_address(tmp_path: Path) -> None:
    text = 'name = "x"\n[channel]\nkind = "smtp"\n[channel.smtp]\nhost = "mail.example.com"\n'
    with pytest.raises(ConfigurationError, match="public_url"):
        _ = Workspace(write(tmp_path, text), {}).channels
    _ = Workspace(write(tmp_path, 'public_url = "https://news.example.com"\n' + text), {}).channels


HTTP = 'kind = "http"\nurl = "https://messages.example.com"\n'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[channel]\nkind = "http"\n', "needs a url"),
        ('[channel]\nurl = "https://messages.example.com"\n', "needs a url"),
        ('[channels.sms]\nkind = "smtp"\n', "channels.sms"),
        ('[channels.post]\nkind = "http"\n', "channels.post"),
        ('[channels.sms]\nkind = "http"\nurl = "http://messages.example.com"\n', "https://"),
        ('[channels.sms]\nkind = "http"\nurl = "messages"\n', "is written like"),
        (f"[channels.sms]\n{HTTP}[channels.sms.pace]\nper_second = 0\n", "channels.sms.pace.per_second"),
        (f"[channels.sms]\n{HTTP}[channels.sms.pace.warm_up]\nstarts_on = 2025-01-01\nfactor = 3\n", "factor"),
    ],
)
def test_a_channel_that_is_wrongly_described_is_named(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        load_settings(write(tmp_path, 'name = "x"\n' + text))


def test_each_channel_that_is_set_is_there_with_its_secret_and_its_pace(tmp_path: Path) -> None:
    text = f"""
        name = "x"
        [channels.sms]
        {HTTP.replace(chr(10), chr(10) + 8 * " ")}
        [channels.sms.http]
        max_length = 160
        batch_size = 7
        [channels.sms.pace]
        per_second = 3
        [channels.sms.pace.warm_up]
        starts_on = 2025-03-01
        [channels.audience]
        kind = "sandbox"
    """
    opened = Workspace(write(tmp_path, text), {"NORIA_SMS_SECRET": "a secret of some length"})
    assert {name: channel.name for name, channel in opened.channels.items()} == {
        "email": "sandbox",
        "sms": "http messages.example.com",
        "audience": "sandbox",
    }
    assert all(channel.capabilities.carries == name for name, channel in opened.channels.items())
    assert opened.channels["sms"].capabilities.batch_size == 7
    assert opened.channels["sms"].capabilities.max_length == 160
    warm_up = WarmUp(starts_on=date(2025, 3, 1), first_day=200, factor=1.5, full=50_000)
    assert opened.paces == {"sms": Pace(per_second=3, warm_up=warm_up)}
    assert opened.settings.reaches_people
    opened.close()


def test_an_endpoint_without_its_secret_is_refused_when_it_is_needed(tmp_path: Path) -> None:
    opened = Workspace(write(tmp_path, f'name = "x"\n[channels.sms]\n{HTTP}'), {})
    with pytest.raises(ConfigurationError, match="NORIA_SMS_SECRET"):
        _ = opened.channels


def test_an_own_pack_may_extend_a_packaged_one_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "ours.yaml").write_text(
        "schema_version: 1\nname: ours\nextends: base\nsentence: {en: Ours., fr: Les nôtres.}\n"
        "rules:\n  frequency: {parameters: {messages: 2}}\n",
        encoding="utf-8",
    )
    workspace = Workspace(write(tmp_path, GOOD.replace('"base"', '"ours"')), {})
    assert workspace.pack.cap.messages == 2
    with pytest.raises(ConfigurationError, match="base, bulk-sender, eu, france, ours, us"):
        workspace.read_pack("theirs")


def test_a_broken_pack_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "ours.yaml").write_text("schema_version: 1\nname: ours\nextends: base\nrulez: {}\n")
    with pytest.raises(Exception, match=r"ours\.yaml, line 4"):
        Workspace(write(tmp_path, GOOD), {}).read_pack("ours")


@pytest.mark.parametrize(
    ("channel", "reaches"),
    [
        ("", False),
        ('[channel]\nkind = "smtp"\n[channel.smtp]\nhost = "127.0.0.1"\n', False),
        ('[channel]\nkind = "smtp"\n[channel.smtp]\nhost = "mail.example.com"\n', True),
    ],
)
def test_a_workspace_whose_mail_leaves_this_machine_is_no_sandbox(tmp_path: Path, channel: str, reaches: bool) -> None:
    settings = load_settings(write(tmp_path, f'name = "x"\nsandbox = true\n{channel}'))
    assert settings.reaches_people is reaches


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("", ""),
        ('public_url = "https://news.example.com"\n', "https://news.example.com"),
        ('public_url = "https://news.example.com"\n[tracking]\nclicks = false\n', ""),
    ],
)
def test_clicks_are_counted_only_under_a_public_address_and_unless_switched_off(
    tmp_path: Path, text: str, counted: str
) -> None:
    workspace = Workspace(write(tmp_path, f'name = "x"\n{text}'), {})
    assert workspace.workplace.click_url == counted
    workspace.close()


def test_a_key_for_events_is_long_enough_not_to_be_guessed(tmp_path: Path) -> None:
    folder = write(tmp_path, 'name = "x"\n')
    assert Workspace(folder, {}).events_key is None
    with pytest.raises(ConfigurationError, match="fewer than 32"):
        _ = Workspace(folder, {"NORIA_EVENTS_KEY": "guess"}).events_key
    assert Workspace(folder, {"NORIA_EVENTS_KEY": "k" * 32}).events_key is not None


def test_only_the_playbooks_of_the_settings_are_proposed(tmp_path: Path) -> None:
    workspace = Workspace(write(tmp_path, 'playbooks = ["win_back", "sunset"]\n' + GOOD), {})
    assert set(workspace.playbooks) == {"win_back", "sunset"}
    assert len(Workspace(write(tmp_path, GOOD), {}).playbooks) > 10


def test_a_playbook_that_nobody_wrote_is_named(tmp_path: Path) -> None:
    workspace = Workspace(write(tmp_path, 'playbooks = ["win_back", "winback"]\n' + GOOD), {})
    with pytest.raises(ConfigurationError, match="There is no playbook winback") as caught:
        _ = workspace.playbooks
    assert "cross_sell" in caught.value.remedy


PUBLIC = "https://news.shop.example.com"
PROVIDERS = {
    "sendgrid": "",
    "resend": "",
    "postmark": "",
    "mailgun": 'domain = "mg.shop.example.com"',
    "brevo": "",
    "ses": 'region = "eu-west-3"\naccess_key_id = "AKIDEXAMPLE000000000"',
    "twilio": f'account = "AC{"0" * 32}"\napi_key = "SK{"1" * 32}"\nsender = "+33700000000"',
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_needs_its_key_and_a_public_address_and_shows_neither(tmp_path: Path, name: str) -> None:
    section = "channels.sms" if name == "twilio" else "channel"
    text = f'name = "x"\npublic_url = "{PUBLIC}"\n[{section}]\nkind = "{name}"\n[{section}.{name}]\n{PROVIDERS[name]}\n'
    key = f"NORIA_{name.upper()}_KEY"
    opened = Workspace(write(tmp_path, text), {key: "hunter2"})
    assert opened.settings.reaches_people
    assert name in {channel.name for channel in opened.channels.values()}
    opened.close()
    with pytest.raises(ConfigurationError, match=key):
        _ = Workspace(tmp_path, {}).channels
    with pytest.raises(ConfigurationError, match="public_url") as raised:
        _ = Workspace(write(tmp_path, text.replace(PUBLIC, "")), {key: "hunter2"}).channels
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(("key", "hint"), [("curency", "is it currency?"), ("zzz", "there is no such setting")])
def test_a_setting_that_does_not_exist_is_named_with_the_one_that_is_like_it(
    tmp_path: Path, key: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError) as told:
        load_settings(write(tmp_path, f'{key} = "EUR"\n'))
    assert key in str(told.value)
    assert hint in str(told.value)
