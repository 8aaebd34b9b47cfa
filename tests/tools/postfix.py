"""A Postfix on this machine that delivers to one mailbox, and sends back what is for anybody else."""

from __future__ import annotations

import pwd
import shutil
import smtplib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.tools.mail_server import free_port

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file_prefixes = {folder}
maillog_file = {folder}/mail.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mx.shop.example.com
mydestination =
alias_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}
virtual_mailbox_maps = inline:{{ {mailbox}=mail/ }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
# Taken at the door and sent back later, as by a server that stands before others.
smtpd_reject_unlisted_recipient = no
# Nothing leaves this machine.
default_transport = error:nowhere
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """One that runs."""

    port: int
    maildir: Path


@contextmanager
def running(mailbox: str) -> Iterator[Postfix]:
    """A server with one mailbox, into which also comes what it sends back."""
    nobody = pwd.getpwnam("nobody")
    # Its processes give up root, and could not enter a folder of the tests.
    folder = Path(tempfile.mkdtemp(prefix="noria-postfix-"))
    folder.chmod(0o755)
    port = free_port()
    values = {
        "folder": folder,
        "domain": mailbox.partition("@")[2],
        "mailbox": mailbox,
        "uid": nobody.pw_uid,
        "gid": nobody.pw_gid,
        "port": port,
    }
    for name in ("etc", "queue", "data"):
        (folder / name).mkdir()
    for name in ("mail/new", "mail/cur", "mail/tmp"):
        (folder / name).mkdir(parents=True)
    for each in (folder / "mail", *(folder / "mail").iterdir()):
        shutil.chown(each, nobody.pw_uid, nobody.pw_gid)
    shutil.chown(folder / "data", "postfix")
    (folder / "etc" / "main.cf").write_text(_MAIN.format(**values), encoding="utf-8")
    (folder / "etc" / "master.cf").write_text(_MASTER.format(**values), encoding="utf-8")
    with subprocess.Popen(["postfix", "-c", folder / "etc", "start-fg"], start_new_session=True) as server:
        try:
            _answers(port)
            yield Postfix(port, folder / "mail")
        finally:
            subprocess.run(["postfix", "-c", folder / "etc", "stop"], check=True)
            server.wait(30)
            shutil.rmtree(folder)


def _answers(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            smtplib.SMTP("127.0.0.1", port, timeout=5).quit()
        except OSError:
            assert time.monotonic() < until, "Postfix did not start"
            time.sleep(0.1)
        else:
            return
