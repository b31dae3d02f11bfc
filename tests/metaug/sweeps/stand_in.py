"""A stand-in for `metaug fit` that starts at once: it trains nothing and reports as a trial does.

It is written to `metaug/__main__.py` in the test's folder, which `python -m metaug` finds first.
Options: `--x` is the score, reached by `--epochs` lines, `--pause` seconds apart; `--fail TEXT`
ends with that error; `--mute` logs another score.
"""

import json
import os
import signal
import sys
import time
import zipfile
from pathlib import Path

options = dict(word.removeprefix("--").partition("=")[::2] for word in sys.argv[2:])
told = json.loads(os.environ["METAUG_SWEEP"])
folder = Path(options["trainer.default_root_dir"])
score, epochs = float(options.get("x", 0)), int(options.get("epochs", 2))
done = 0


def write(epoch, **what):
    line = {"step": epoch, "epoch": epoch, "last": epoch == epochs, **what}
    with open(told["scores"], "a") as file:
        file.write(f"\n{json.dumps(line)}\n")


def save():
    with zipfile.ZipFile(folder / "last.ckpt", "w") as archive:
        archive.writestr("x/data.pkl", str(done))


def stop(*_):
    save()
    sys.exit(143)


signal.signal(signal.SIGTERM, stop)
if "ckpt_path" in options:
    with zipfile.ZipFile(options["ckpt_path"]) as archive:
        done = int(archive.read("x/data.pkl"))
print("began", score, "after", done, flush=True)
if "fail" in options:
    sys.exit(f"warning: of something else\nmetaug: error: {options['fail']}\nmetaug: how to trace")
if "mute" in options:
    write(1, names=["train/loss", "val/other"])
    sys.exit(0)
for epoch in range(done + 1, epochs + 1):
    for _ in range(max(1, round(float(options.get("pause", 0)) / 0.02))):
        time.sleep(0.02)
        if os.getppid() != told["sweep"]:
            stop()
    write(epoch, value=score * epoch / epochs)
    done = epoch
