"""The page of workq serve in a real browser: what it shows and marks, that keys are shown as text, what the keyboard reaches, a
phone's width, and that only the tokens let one read and act.
"""
# SPDX-License-Identifier: Apache-2.0
import os
import signal
import subprocess
import sys

from selenium.webdriver.common.keys import Keys

from browser import SKIPPED, WORKQ, Browser, Queues, comes, fail, ok, run

TOKEN = "correct-horse-battery"
READ_TOKEN = "reader-reader-reader"
LONG = "long/" + "".join(f"part-{i}/" for i in range(40)) + "end"
ATTACK = "<img src=x onerror=window.hacked=1>"

# Fails where what does something has no name for those who do not see it.
FAULTS_FOR_THE_BLIND = """
  const faults = [];
  for (const field of document.querySelectorAll('input, select')) if (field.labels.length === 0) faults.push('no label: ' + field.id);
  for (const button of document.querySelectorAll('button')) if (!button.textContent.trim()) faults.push('no words on ' + button.id);
  for (const table of document.querySelectorAll('table'))
    for (const head of table.querySelectorAll('th')) if (!head.scope) faults.push('no scope in ' + table.id);
  let level = 0;
  for (const heading of document.querySelectorAll('main h2, main h3')) {
    const now = Number(heading.tagName[1]);
    if (now > level + 1 && level) faults.push('a heading is left out before ' + heading.textContent);
    level = now;
  }
  if (document.documentElement.lang !== 'en') faults.push('no language');
  return faults"""

WATCH_FOCUS = """
  document.activeElement.blur(); window.visited = []; window.unseen = [];
  document.addEventListener('focusin', (event) => {
    const one = event.target, style = getComputedStyle(one);
    window.visited.push(one);
    if (style.outlineStyle === 'none' && one.id !== 'main') window.unseen.push(one.outerHTML.slice(0, 100));
  })"""

# Queues of others come and go: of the names only ours is asked for.
NOT_VISITED = """
  const wanted = [...document.querySelectorAll('a[href], button, input, select, [tabindex="0"]')]
    .filter((one) => one.checkVisibility() && !one.closest('dialog'))
    .filter((one) => one.className !== 'name' || one.textContent.includes('QUEUE'));
  return wanted.filter((one) => !window.visited.includes(one)).map((one) => one.outerHTML.slice(0, 100))"""

TOO_WIDE = """
  const wide = [...document.querySelectorAll('main *')].filter((one) => one.checkVisibility() && !one.closest('.hidden, svg *') &&
    one.getBoundingClientRect().right > innerWidth + 0.5);
  return [document.documentElement.scrollWidth, ...wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 150))]"""

# Words must stand out from what is behind them, 4.5 to 1.
WEAK_WORDS = """
  const numbers = (color) => color.match(/[0-9.]+/g).map(Number);
  const part = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * part(r / 255) + 0.7152 * part(g / 255) + 0.0722 * part(b / 255);
  const behind = (one) => { for (; one; one = one.parentElement) {
    const color = numbers(getComputedStyle(one).backgroundColor); if (color.length === 3 || color[3] > 0) return color; } return [255, 255, 255]; };
  const weak = new Set();
  for (const one of document.querySelectorAll('body *')) {
    if (!one.checkVisibility() || one.closest('svg, dialog') || ![...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
    const a = light(numbers(getComputedStyle(one).color)), b = light(behind(one));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) weak.add(one.tagName + ' ' + one.className + ' ' + contrast.toFixed(2));
  }
  return [...weak]"""

# Labels of axes that are small, lie over each other, or reach out of their plot.
BAD_LABELS = """
  const bad = [];
  for (const plot of document.querySelectorAll('.plot > svg')) {
    const frame = plot.getBoundingClientRect(), labels = [...plot.querySelectorAll('.grid text')];
    if (labels.length < 4) bad.push('no labels');
    labels.forEach((label, i) => {
      const box = label.getBoundingClientRect();
      if (parseFloat(getComputedStyle(label).fontSize) < 13) bad.push('small: ' + label.textContent);
      if (box.left < frame.left - 0.5 || box.right > frame.right + 0.5) bad.push('cut off: ' + label.textContent);
      for (const other of labels.slice(i + 1)) {
        const its = other.getBoundingClientRect();
        if (box.left < its.right && its.left < box.right && box.top < its.bottom && its.top < box.bottom)
          bad.push(label.textContent + ' over ' + other.textContent);
      }
    });
  }
  return bad"""

KEYS_SHOWN = "return [...document.querySelectorAll('#keys .key')].map((key) => key.textContent).sort()"
FOCUSED = "return document.activeElement.id"


def rows(table):
    return f"return document.querySelectorAll('#{table} tbody tr').length"


def click(element):
    return f"document.getElementById('{element}').click()"


def fill(name, value, event):
    return f"{{ const one = document.getElementById('{name}'); one.value = '{value}'; one.dispatchEvent(new Event('{event}')); }}"


def make_queues(queues):
    """A queue with keys of all states, two workers, and keys that do no harm as text; and another with an odd name."""
    name = queues.name
    run("create", name, "--max-retries", "1", "--limiter", "none")
    run("create", f"{name}-<b>other")
    run("create", f"{name}-given-up", "--max-retries", "1", "--limiter", "none", "--key-max", "2000", "--capacity", "9000")
    run("add", f"{name}-given-up", given="\n".join(f"lost-{i}" for i in range(1, 26)).encode())
    run("run", f"{name}-given-up", "-q", "--until-empty", "-j", "4", "--", "sh", "-c", "exit 100")
    run("add", f"{name}-given-up", LONG, "größe-日本", "--after", "1h")
    given_up = [ATTACK, "bad", "worse\"'><script>window.hacked=1</script>"]
    run("add", name, "-0", given="\0".join(given_up).encode())
    run("run", name, "-q", "--until-empty", "--", "sh", "-c", "exit 100")
    run("add", name, "busy", "--priority", "100")
    queues.start("run", name, "-q", "-j", "2", "--", "sh", "-c", "case $0 in busy | stay) sleep 100000 ;; esac",
                 stderr=subprocess.DEVNULL)
    queues.await_figure("processing", "1")
    run("add", name, "stay", "--priority", "99")
    queues.await_figure("processing", "2")
    run("add", name, given="\n".join(f"photo-{i}" for i in range(1, 301)).encode())
    odd = [f"ready {ATTACK}".encode(), b"apple pie", b"apple tart", b"\033[31mred", b"\377\376", b"\342\200\256turned"]
    run("add", name, "-0", "--priority", "5", given=b"\0".join(odd))
    run("add", name, "--after", "1h", "later")


def check_figures(browser, queues):
    browser.await_text(queues.name, "queue-title")
    browser.await_text(f"{queues.name}-<b>other", "queues")
    browser.await_text("open", "queue-state")
    browser.expect([["Ready", "306"], ["Processing", "2"], ["Delayed", "1"], ["Buried", "3"]], """
      return [...document.querySelectorAll('#tiles > div')].slice(0, 4)
        .map((tile) => [tile.children[0].textContent, tile.children[1].textContent])""", "the figures")
    browser.await_js(3, rows("buried"))
    browser.await_js(100, rows("keys"))
    browser.expect(True, "return document.querySelectorAll('#workers tbody tr').length >= 2", "the workers")
    browser.await_text("The first 100 keys found of", "keys-note")
    browser.js(click("more"))
    browser.await_js(312, rows("keys"))
    browser.expect([["5", "6"], ["0", "300"]], """
      return [...document.querySelectorAll('#depth tbody tr')].map((row) => [row.children[0].textContent, row.children[1].textContent])""",
                   "depth by priority")
    browser.await_js(True, """
      return [...document.querySelectorAll('.plot > svg > path.line.ready')].slice(0, 2).every((line) => line.getAttribute('d').length > 10)""")
    ok("figures, workers, keys, plots")


def check_text(browser):
    browser.await_text(ATTACK, "buried")
    browser.await_text(f"ready {ATTACK}", "keys")
    for text in ("\\x1b[31mred", "\\xff\\xfe", "\\u{202e}turned"):
        browser.await_text(text, "keys")
    browser.expect([1, 0, None], """
      return [document.images.length, document.querySelectorAll('td *:is(b, script), th *:is(b, script)').length, window.hacked || null]""",
                   "a key has become more than text")
    ok("keys are text")


def check_search(browser):
    browser.js("document.getElementById('search').focus()")
    browser.press("APPLE")
    browser.await_js(["apple pie", "apple tart"], KEYS_SHOWN)
    browser.js(fill("search", "", "input") + fill("state", "processing", "change"))
    browser.await_js(["busy", "stay"], KEYS_SHOWN)
    browser.js(fill("search", "apple", "input") + fill("state", "all", "change"))
    browser.await_js(2, rows("keys"))
    ok("search and state")


def column(table, number):
    """What stands in a column of a table, from the top."""
    return f"return [...document.querySelectorAll('#{table} tbody tr')].map((row) => row.children[{number}].textContent)"


def sort_by(browser, table, number):
    browser.js(f"document.querySelectorAll('#{table} thead th')[{number}].querySelector('button.sort').click()")
    return browser.js(f"return document.querySelectorAll('#{table} thead th')[{number}].getAttribute('aria-sort')")


def check_sorting(browser, queues):
    """Each click another order: the largest first, or A; then the other way round; then as they come."""
    browser.js(fill("search", "apple", "input"))
    browser.await_js(["apple pie", "apple tart"], KEYS_SHOWN)
    for order, wanted in (("ascending", ["apple pie", "apple tart"]), ("descending", ["apple tart", "apple pie"]), (None, None)):
        if sort_by(browser, "keys", 0) != order:
            fail(f"keys are not sorted: {order}")
        if wanted:
            browser.expect(wanted, column("keys", 0), "sorted keys")
    names = [name for name in browser.js(column("queues", 0)) if name.startswith(queues.name)]
    if len(names) != 3 or names[0] != queues.name:
        fail(f"a stuck queue is not the first: {names}")
    for order in ("descending", "ascending"):
        if sort_by(browser, "queues", 5) != order:
            fail(f"queues are not sorted: {order}")
        figures = [int(text or -1) for text in browser.js(column("queues", 5))]
        if figures != sorted(figures, reverse=order == "descending") or len(set(figures)) < 2:
            fail(f"{order}: {figures}")
    sort_by(browser, "queues", 5)
    ok("sorting")


def check_marks(browser, queues):
    """What is stuck, and what is buried."""
    browser.await_text("306 keys are ready, and none was done for", "stuck")
    browser.await_text("1 stuck", "summary")
    browser.await_js(["stuck"], f"""
      return [...document.querySelectorAll('#queues tbody tr')].filter((row) => row.querySelector('.name').textContent === '{queues.name}')
        .map((row) => row.classList.contains('stuck') ? row.children[1].textContent.match(/stuck/)[0] : 'not marked')""")
    browser.await_js([["busy", True], ["stay", True]], """
      return [...document.querySelectorAll('#workers tbody tr')].map((row) => row.children[2]).filter((cell) => cell.querySelector('.key:not([hidden])'))
        .map((cell) => [cell.querySelector('.key').textContent, cell.classList.contains('alarm')]).sort()""")
    browser.expect(True, """
      const works = [...document.querySelectorAll('#workers tbody tr')].map((row) => row.children[2].textContent !== 'nothing');
      return works.indexOf(false) === -1 || works.lastIndexOf(true) < works.indexOf(false)""", "workers are not first")
    browser.expect(["1,048,576 keys", "256 bytes", "none", "bury", "0600"], """
      const one = (name) => [...document.querySelectorAll('#options > div')].find((one) => one.children[0].textContent === name).children[1].textContent;
      return ['capacity', 'key-max', 'limiter', 'give-up', 'mode'].map(one)""", "the queue's options")
    ok("marks and options")


def check_given_up(browser, queues):
    """Ten buried keys, and all; a key that is long; keys that are no ASCII."""
    browser.js(fill("search", "", "input") + f"location.hash = '#/{queues.name}-given-up'")
    browser.await_text(f"{queues.name}-given-up", "queue-title")
    browser.await_js(10, rows("buried"))
    browser.await_text("and 15 more", "buried-note")
    browser.await_text("Kick all 25", "kick-all")
    browser.js(click("buried-all"))
    browser.await_js(25, rows("buried"))
    browser.js(click("buried-all"))
    browser.await_js(10, rows("buried"))
    browser.js(fill("state", "delayed", "change"))
    browser.await_js(2, rows("keys"))
    browser.await_text("größe-日本", "keys")
    browser.expect(False, f"return document.getElementById('keys').textContent.includes('{LONG}')", "a long key is not cut")
    browser.js("document.querySelector('#keys [data-name=whole]').focus()")
    browser.press(Keys.ENTER)
    browser.await_text(LONG, "keys")
    browser.press(Keys.ENTER)
    browser.await_js(False, f"return document.getElementById('keys').textContent.includes('{LONG}')")
    browser.js(fill("state", "all", "change") + f"location.hash = '#/{queues.name}'")
    browser.await_text("306 keys are ready", "stuck")
    ok("ten buried keys and all, long keys, keys that are no ASCII")


def check_keyboard(browser, queues):
    browser.expect([], FAULTS_FOR_THE_BLIND, "for those who do not see it")
    # Once around by the Tab key: everything that does something has had the focus, and could be seen to have it.
    browser.js(WATCH_FOCUS)
    browser.press(Keys.TAB * 90)
    browser.expect([], NOT_VISITED.replace("QUEUE", queues.name), "the Tab key does not reach")
    browser.expect([], "return window.unseen", "the focus is not seen on")
    # There is nothing of two seconds ago before the queue has been watched for so long.
    browser.js("document.querySelector('.plot > svg').focus()")
    spoken = "return /^2 s ago: ready/.test(document.activeElement.getAttribute('aria-valuetext'))"

    def read_by_arrows():
        browser.press(Keys.END, Keys.LEFT, Keys.LEFT)
        return browser.js(spoken)

    if not comes(read_by_arrows, True):
        fail(f"the plot is not read by arrow keys: {browser.js('return document.activeElement.outerHTML.slice(0, 300)')}")
    browser.js("document.getElementById('skip').focus()")
    browser.press(Keys.ENTER)
    browser.expect("main", FOCUSED, "nothing is skipped")
    ok("the keyboard")


def check_sizes(browser):
    browser.js(fill("search", "", "input"))
    for width, height in ((360, 740), (320, 600), (768, 1024), (1280, 800), (1920, 1080)):
        browser.emulate(width, height, "light")
        browser.await_js([width], TOO_WIDE)
        if width < 760:
            browser.await_js([], BAD_LABELS)
    for light in ("light", "dark"):
        browser.emulate(360, 740, light)
        browser.expect([], WEAK_WORDS, f"hard to read in the {light}")
    browser.emulate(0, 0, "light")
    ok("a phone's width, light and dark")


def focus_kick(browser, key):
    """The button of a buried key."""
    found = browser.js(f"""
      return [...document.querySelectorAll('#buried tbody tr')].filter((row) => row.querySelector('.key').textContent === '{key}')
        .map((row) => row.querySelector('[data-name=kick]').focus()).length""")
    if found != 1:
        fail(f"no button to kick {key}")


def check_token(browser, queues):
    """Escape takes the question for the token back, a wrong one is refused, the right one acts."""
    focus_kick(browser, "bad")
    browser.press(Keys.ENTER)
    browser.await_js("token", FOCUSED)
    browser.press(Keys.ESCAPE)
    browser.await_js("Kick bad", "return document.activeElement.getAttribute('aria-label')")
    browser.press(Keys.ENTER)
    browser.await_js("token", FOCUSED)
    browser.press("wrong-wrong-wrong", Keys.ENTER)
    browser.await_text("Refused: missing or invalid token.", "message")
    queues.expect_figure("buried", "3")
    focus_kick(browser, "bad")
    browser.press(Keys.ENTER)
    browser.await_js("token", FOCUSED)
    browser.press(TOKEN, Keys.ENTER)
    browser.await_text("Kicked bad.", "message")
    queues.await_figure("buried", "2")
    browser.await_js(2, rows("buried"))
    browser.expect(True, "return document.activeElement !== document.body", "the focus is lost with the row that had it")


def is_visible(name):
    return f"return document.getElementById('{name}').checkVisibility()"


def check_found(browser, queues, is_asked):
    """All that a search finds: the question names how many, and nothing else is changed."""
    browser.js(fill("search", "", "input") + fill("state", "all", "change"))
    browser.await_js(100, rows("keys"))
    browser.await_js(False, is_visible("remove-found"))
    browser.js(fill("search", "PHOTO-1", "input"))
    browser.await_js(True, is_visible("remove-found"))
    browser.await_js(100, rows("keys"))
    browser.js(click("remove-found"))
    browser.await_js(True, is_asked)
    browser.await_text("Remove all 111 keys with “PHOTO-1” in the key?", "confirm-text")
    browser.await_text("Remove 111", "confirm-yes")
    # What comes while the question is there is not removed.
    run("add", queues.name, "photo-1-late")
    browser.press(Keys.ESCAPE)
    browser.await_js(False, is_asked)
    queues.expect_figure("ready", "308")
    browser.js(click("remove-found"))
    browser.await_text("Remove all 112 keys", "confirm-text")
    run("add", queues.name, "photo-1-later", "photo-1-last")
    browser.js(click("confirm-yes"))
    browser.await_text("Removed 112 of 112 keys.", "message")
    queues.await_figure("ready", "198")
    browser.await_js(2, rows("keys"))
    browser.js(fill("search", "wor", "input") + fill("state", "buried", "change"))
    browser.await_js(1, rows("keys"))
    browser.js(click("kick-found"))
    browser.await_text("Kick the 1 key that is buried and with “wor” in the key?", "confirm-text")
    browser.js(click("confirm-yes"))
    browser.await_text("Kicked 1 of 1 keys.", "message")
    queues.await_figure("buried", "1")
    browser.js(fill("search", "", "input") + fill("state", "all", "change"))
    browser.await_js(False, is_visible("remove-found"))


def check_actions(browser, queues):
    check_token(browser, queues)
    browser.js(click("pause"))
    queues.await_figure("paused", "yes")
    browser.await_text("paused", "queue-state")
    browser.js(click("pause"))
    queues.await_figure("paused", "no")
    browser.js(click("shutdown"))
    is_asked = "return document.getElementById('confirm-dialog').open"
    browser.await_js(True, is_asked)
    browser.press(Keys.ESCAPE)
    browser.await_js(False, is_asked)
    queues.expect_figure("shut_down", "no")
    check_found(browser, queues, is_asked)
    browser.js(click("kick-all"))
    browser.await_js(True, is_asked)
    browser.js(click("confirm-yes"))
    queues.await_figure("buried", "0")
    browser.await_text("No key is buried.", "buried-note")
    # Nothing that leaves the page has the token: storage, cookies, the address.
    browser.expect([0, 0, "", False], f"""
      return [localStorage.length, sessionStorage.length, document.cookie, document.documentElement.outerHTML.includes('{TOKEN}')]""",
                   "the token is kept")
    complaints = browser.complaints(but="status of 401")
    if complaints:
        fail(f"the page complains: {complaints}")
    ok("acting with the token, and not without")


def check_ends(browser, queues, server):
    run("rm", "--force", queues.name)
    browser.await_js(True, f"return document.getElementById('queue-title').textContent !== '{queues.name}'")
    complaints = browser.complaints(but="status of 404")
    if complaints:
        fail(f"a queue that goes: {complaints}")
    server.send_signal(signal.SIGTERM)
    if server.wait() != 0:
        fail("the server does not end well")
    browser.await_text("No answer", "status")
    ok("a queue that goes, and a server that does")


def check_read_only(browser, queues):
    run("create", queues.name)
    run("add", queues.name, "key")
    _, base = queues.serve()
    browser.browse(f"{base}#/{queues.name}")
    browser.await_text(queues.name, "queue-title")
    browser.await_js(1, rows("keys"))
    browser.expect(["hold"], "return [...document.querySelectorAll('button')].filter((one) => one.checkVisibility() && one.className !== 'sort').map((one) => one.id)",
                   "buttons where nothing is allowed")
    ok("read-only")


def check_read_token(browser, queues):
    """Behind a prefix, with a token to read: nothing is shown, and asked for, before it is given."""
    files = []
    for name, token in (("reader", READ_TOKEN), ("actor", TOKEN)):
        files.append(f"{browser.scratch}/{name}")
        with open(files[-1], "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(token + "\n")
    _, base = queues.serve("--prefix", "/behind/a-proxy", "--read-token-file", files[0], "--allow-actions", "--token-file", files[1])
    if not base.endswith("/behind/a-proxy/"):
        fail(f"it listens at {base}")
    browser.complaints()  # those of the page before, whose server was ended
    browser.browse(f"{base[:-1]}#/{queues.name}")
    browser.await_js("token", FOCUSED)
    browser.await_text("This server shows its queues to those who have a token", "token-why")
    browser.press("wrong-wrong-wrong-wrong", Keys.ENTER)
    browser.await_text("That token is not valid here.", "message")
    browser.expect(0, rows("queues"), "queues without a token")
    asked = "return performance.getEntriesByType('resource').filter((one) => one.name.includes('api/queues')).length"
    before = browser.js(asked)
    browser.js(click("unlock"))
    browser.await_js("token", FOCUSED)
    browser.expect(before, asked, "it goes on asking without a token")
    browser.press(READ_TOKEN, Keys.ENTER)
    browser.await_text(queues.name, "queue-title")
    browser.await_text("Live", "status")
    browser.await_js(1, rows("keys"))
    # The token to read is tried for an action, too, and then the other one is asked for.
    browser.js(click("pause"))
    browser.await_js("token", FOCUSED)
    browser.await_text("To change queues takes the token for actions", "token-why")
    queues.expect_figure("paused", "no")
    browser.press(TOKEN, Keys.ENTER)
    queues.await_figure("paused", "yes")
    browser.await_text("paused", "queue-state")
    browser.expect(["", [], True], f"""
      const names = performance.getEntriesByType('resource').map((one) => one.name);
      return [document.cookie, names.filter((name) => !name.startsWith('{base}')), location.href.startsWith('{base}')]""",
                   "it leaves its prefix")
    complaints = browser.complaints(but="status of 401")
    if complaints:
        fail(f"the page complains: {complaints}")
    ok("a prefix and a token to read")


def main():
    said = subprocess.run([WORKQ, "serve", "--listen", "x"], stderr=subprocess.PIPE, check=False).stderr
    if b"without libmicrohttpd" in said:
        print("SKIPPED: this workq was built without its server")
        return SKIPPED
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    queues = Queues()
    make_queues(queues)
    server, base = queues.serve("--allow-actions", "--stuck-after", "1ms", environment={"WORKQ_TOKEN": TOKEN})
    browser = Browser()
    browser.browse(f"{base}#/{queues.name}")
    check_figures(browser, queues)
    check_text(browser)
    check_marks(browser, queues)
    check_search(browser)
    check_sorting(browser, queues)
    check_given_up(browser, queues)
    browser.js(fill("search", "apple", "input"))
    browser.await_js(2, rows("keys"))
    check_keyboard(browser, queues)
    check_sizes(browser)
    complaints = browser.complaints()
    if complaints:
        fail(f"the page complains: {complaints}")
    check_actions(browser, queues)
    browser.expect([], f"""
      return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => !name.startsWith('{base}'))""",
                   "it asks another host")
    check_ends(browser, queues, server)
    check_read_only(browser, queues)
    check_read_token(browser, queues)
    return 0


if __name__ == "__main__":
    sys.exit(main())
