"""The sandbox: files that a person can read, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.steps import Channel as ChannelName
from tools.channels.channel import Outgoing
from tools.channels.sandbox import SandboxChannel


@pytest.mark.parametrize(
    ("carries", "name", "holds"),
    [("email", "one.eml", b"words"), ("sms", "one.txt", b"To: anna\n\nwords"), ("audience", "one.json", b"words")],
)
def test_each_message_is_one_whole_file_of_its_kind(
    tmp_path: Path, carries: ChannelName, name: str, holds: bytes
) -> None:
    SandboxChannel(tmp_path, carries).send_many([Outgoing("one", "shop", "anna", b"words")], seconds=30)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == holds
