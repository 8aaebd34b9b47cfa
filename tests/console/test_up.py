"""`noria up`: console and worker by one command, and both gone when it is stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.slow(seconds=20)
def test_it_serves_works_and_prints_the_way_in(shop: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "noria", "up", "--port", str(port), "--workspace", str(shop)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as started:
        try:
            assert started.stdout is not None
            link = re.search(r"http://\S+/console/welcome/[\w-]{43}", started.stdout.readline())
            assert link
            answer = None
            until = time.monotonic() + 60
            while answer is None and time.monotonic() < until:
                try:
                    answer = httpx.get(link[0], trust_env=False)
                except httpx.ConnectError:
                    time.sleep(0.1)
            assert answer is not None
            assert answer.status_code == 200
        finally:
            started.send_signal(signal.SIGINT)
            started.communicate(timeout=60)
    with pytest.raises(ProcessLookupError):
        # Nobody of the group is left, the worker neither.
        os.killpg(started.pid, 0)
