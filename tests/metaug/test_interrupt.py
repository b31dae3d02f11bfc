import os
import subprocess
import sys
import time

import pytest

from metaug.interrupt import ending_in_few_words


def test_what_follows_from_another_process_is_one_line(capsys):
    with pytest.raises(SystemExit) as caught, ending_in_few_words():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer")
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("metaug: this process ends because another one")


def test_other_errors_are_left():
    with pytest.raises(RuntimeError, match="mine"), ending_in_few_words():
        raise RuntimeError("mine")


def test_ctrl_c_has_its_exit_code():
    def end_as_lightning_does():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    with pytest.raises(SystemExit) as caught, ending_in_few_words():
        end_as_lightning_does()
    assert caught.value.code == 130


CHILD = """
import time
from metaug import interrupt
interrupt.GRACE = 0.1
interrupt.end_with_launcher()
print("ready", flush=True)
time.sleep(60)
"""
LAUNCHER = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid)
"""


@pytest.mark.parametrize("variable", ["LOCAL_RANK", "TORCHELASTIC_RUN_ID"])
def test_a_process_ends_soon_after_its_launcher(variable):
    environment = {**os.environ, variable: "1"}
    command = [sys.executable, "-c", LAUNCHER, CHILD]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    child = int(run.stdout)
    start = time.monotonic()
    while time.monotonic() - start < 20:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        if os.path.exists(f"/proc/{child}/stat"):
            with open(f"/proc/{child}/stat") as stat:
                if stat.read().split()[2] == "Z":  # ended, and nobody asks for its code
                    break
        time.sleep(0.1)
    else:
        pytest.fail("still there")
