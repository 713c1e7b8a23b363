"""What tests of the page share: queues and processes that end with the test, and Chromium, driven by Selenium.

A wait ends with what it waits for; only a hang reaches its limit.
"""
# SPDX-License-Identifier: Apache-2.0
import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.remote.remote_connection import RemoteConnection

HANG_S = 600
LOOK_S = 0.03

WORKQ = os.environ.get("WORKQ") or os.path.abspath("utils/workq")
SKIPPED = 77


def fail(text):
    sys.exit(f"FAIL: {text}")


def ok(text):
    print(f"ok: {text}", flush=True)


def comes(look, wanted):
    """Waits until look() returns what is wanted.  Returns what it returned last."""
    end = time.monotonic() + HANG_S
    seen = look()
    while seen != wanted and time.monotonic() < end:
        time.sleep(LOOK_S)
        seen = look()
    return seen


# ---- Queues and processes -------------------------------------------------------------------------------------------


def run(*words, given=None):
    """Runs workq with these words; given is what it reads.  It must end well.  Returns what it writes."""
    done = subprocess.run([WORKQ, *words], input=given, stdout=subprocess.PIPE, timeout=HANG_S, check=False)
    if done.returncode != 0:
        fail(f"status {done.returncode} of: workq {' '.join(words)}")
    return done.stdout.decode(errors="replace")


def end_with_parent():
    """In a child, before it becomes another program: it is told to end when this process ends."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end(process):
    """Ends it.  Two signals, because `workq run` ends its workers' commands only at the second."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
    return process.wait()


class Queues:
    """Queues whose names begin with that of this test, and processes that work on them.  They go when the test ends."""

    def __init__(self):
        self.name = f"browser-{os.getpid()}"
        self.processes = []
        atexit.register(self.clean_up)

    def clean_up(self):
        for process in self.processes:
            end(process)
        for entry in os.listdir("/dev/shm"):
            if entry == f"workq.{self.name}" or entry.startswith(f"workq.{self.name}-"):
                os.unlink(f"/dev/shm/{entry}")

    def start(self, *words, **options):
        """Starts workq with these words; it ends with the test at the latest."""
        process = subprocess.Popen([WORKQ, *words], preexec_fn=end_with_parent, **options)
        self.processes.append(process)
        return process

    def serve(self, *words, environment=None):
        """Starts workq serve at a port that is free.  Returns its process and its address, which ends with a slash."""
        process = self.start("serve", "--listen", "127.0.0.1:0", *words, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
        line = process.stdout.readline().decode()
        if not line.startswith("listening on http://"):
            fail(f"the server does not say where it listens: {line}")
        return process, line.split()[-1]

    def figure(self, name):
        for line in run("stats", self.name).splitlines():
            if line.split(maxsplit=1)[0] == name:
                return line.split(maxsplit=1)[1].strip()
        return None

    def expect_figure(self, name, wanted):
        if self.figure(name) != wanted:
            fail(f"{name} is {self.figure(name)}, not {wanted}")

    def await_figure(self, name, wanted):
        seen = comes(lambda: self.figure(name), wanted)
        if seen != wanted:
            fail(f"{name} never comes to be {wanted}, and is {seen}")


# ---- The browser ----------------------------------------------------------------------------------------------------


class Browser:
    """Chromium without a window of its own, 1280 by 800."""

    def __init__(self):
        self.scratch = tempfile.mkdtemp()
        atexit.register(self.clean_up)
        self.driver = None
        # The driver is asked directly, whatever proxy there is for others; and neither it nor the browser is in a hurry.
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            os.environ.pop(name, None)
            os.environ.pop(name.upper(), None)
        RemoteConnection.set_timeout(HANG_S)
        service = Service(shutil.which("chromedriver"), log_path=os.devnull)
        self.driver = webdriver.Chrome(service=service, options=self.options())
        self.driver.set_script_timeout(HANG_S)
        self.driver.set_page_load_timeout(HANG_S)

    def options(self):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # No sandbox: tests run as root, too, and show it nothing but pages of ours.  Shared memory elsewhere than in /dev/shm.
        for flag in ("headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "disable-quic", "no-first-run",
                     "no-proxy-server", "disable-background-networking", "disable-component-update", "disable-sync",
                     "hide-scrollbars", "force-device-scale-factor=1", "window-size=1280,800",
                     f"user-data-dir={self.scratch}/profile"):
            options.add_argument(f"--{flag}")
        return options

    def clean_up(self):
        """The browser ends before the files that it has open are removed."""
        if self.driver is not None:
            self.driver.quit()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def browse(self, url):
        self.driver.get(url)

    def js(self, script):
        """Runs it in the page.  Returns what it returns."""
        return self.driver.execute_script(script)

    def expect(self, wanted, script, what):
        seen = self.js(script)
        if seen != wanted:
            fail(f"{what}: {seen}")

    def await_js(self, wanted, script):
        """Waits until the script returns that."""
        seen = comes(lambda: self.js(script), wanted)
        if seen != wanted:
            fail(f"it never comes to be {wanted!r}, and is {seen!r}: {script}")

    def await_text(self, text, element):
        """Waits until the element of that id has the text in it."""
        looked_for = f"return document.getElementById({element!r}).textContent"
        seen = comes(lambda: text in self.js(looked_for), True)
        if not seen:
            fail(f"{element} never shows {text!r}, but: {self.js(looked_for)[:300]!r}")

    def press(self, *keys):
        """On the keyboard, one after the other."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def emulate(self, width, height, light):
        """What the device is; 0 and 0 are the window's own size."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": light}]})

    def complaints(self, but=None):
        """What the page has complained of since the last time, but for what is expected."""
        said = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        return [message for message in said if but is None or but not in message]
