#!/bin/sh
# The page of workq serve in a real browser: what it shows, that keys are shown as text, what the keyboard reaches, a phone's
# width, and that only the token lets one act.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2016,SC2015
# Where that can be had, alone with its queues: those of other tests come and go.
if [ -z "${WORKQ_ALONE:-}" ] && unshare -m mount -t tmpfs tmpfs /dev/shm 2>/dev/null; then
  export WORKQ_ALONE=yes
  exec unshare -m sh -c 'mount -t tmpfs tmpfs /dev/shm && exec sh "$0"' "$0"
fi
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/driver.sh"

skip() {
  echo "SKIPPED: $*"
  exit 77
}
[ "${WORKQ_TEST_SCALE:-100}" -ge 100 ] || skip "a browser takes its time: only with WORKQ_TEST_SCALE=100"
for program in chromium chromedriver curl; do
  command -v $program >/dev/null || skip "there is no $program"
done
! workq serve --listen x 2>&1 | grep -q 'without libmicrohttpd' || skip "this workq was built without its server"

token=correct-horse-battery
attack='<img src=x onerror=window.hacked=1>'
enter=\\uE007 tab=\\uE004 escape=\\uE00C left=\\uE012

# A queue with keys of all states, two workers, and keys that are no harm as text.
workq create "$queue" --max-retries 1 --limiter none
workq create "$queue-<b>other"
printf '%s\0' "$attack" bad "worse\"'><script>window.hacked=1</script>" | workq add "$queue" -0
workq run "$queue" -q --until-empty -- sh -c 'exit 100'
workq add "$queue" busy --priority 100
workq run "$queue" -q -j 2 -- sh -c 'case $0 in busy) sleep 1000 ;; stay) sleep 1000 ;; esac' &
later $!
eventually figure_is processing 1
workq add "$queue" stay --priority 99
eventually figure_is processing 2
seq 1 300 | sed 's,^,photo-,' | workq add "$queue"
printf '%s\0' "ready $attack" 'apple pie' 'apple tart' "$(printf '\033[31mred')" "$(printf '\377\376')" "$(printf '\342\200\256turned')" |
  workq add "$queue" -0 --priority 5
workq add "$queue" --after 1h later

WORKQ_TOKEN=$token workq serve --listen 127.0.0.1:0 --allow-actions >"$scratch/listening" 2>"$scratch/said" &
server=$!
later $server
eventually has_lines "$scratch/listening" 1
base=$(sed -n 's,^listening on \(http://.*\)/$,\1,p' "$scratch/listening")
browser_start

# shows TEXT ID: the element comes to have that text in it.
shows() { js_comes true "return document.getElementById('$2').textContent.includes($(printf '%s' "$1" | json_string))"; }
rows() { echo "return document.querySelectorAll('#$1 tbody tr').length"; }

# ---- What it shows

browse "$base/#/$queue"
shows "$queue" queue-title
shows "$queue-<b>other" queues
shows "open" queue-state
js_is '[["Ready","306"],["Processing","2"],["Delayed","1"],["Buried","3"]]' \
  "return [...document.querySelectorAll('#tiles > div')].slice(0, 4).map((tile) => [tile.children[0].textContent, tile.children[1].textContent])" ||
  fail "the figures: $(cat "$scratch/answer")"
js_comes 3 "$(rows buried)"
js_comes 100 "$(rows keys)"
js_is true "return document.querySelectorAll('#workers tbody tr').length >= 2" || fail "the workers"
shows "The first 100 keys found of" keys-note
js 'document.getElementById("more").click()' >/dev/null
js_comes 312 "$(rows keys)"
js_is '[["5","6"],["0","300"]]' "return [...document.querySelectorAll('#depth tbody tr')].map((row) => [row.children[0].textContent, row.children[1].textContent])" ||
  fail "depth by priority: $(cat "$scratch/answer")"
js_comes true "return [...document.querySelectorAll('.plot > svg > path.line.ready')].slice(0, 2).every((line) => line.getAttribute('d').length > 10)"
ok "figures, workers, keys, plots"

shows "$attack" buried
shows "ready $attack" keys
shows '\x1b[31mred' keys
shows '\xff\xfe' keys
shows '\u{202e}turned' keys
js_is '[1,0,null]' "return [document.images.length, document.querySelectorAll('td *:is(b, script), th *:is(b, script)').length, window.hacked || null]" ||
  fail "a key has become more than text: $(cat "$scratch/answer")"
ok "keys are text"

js "const search = document.getElementById('search'); search.focus()" >/dev/null
press A P P L E
js_comes '["apple pie","apple tart"]' "return [...document.querySelectorAll('#keys .key')].map((key) => key.textContent).sort()"
js "const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input'));
  const state = document.getElementById('state'); state.value = 'processing'; state.dispatchEvent(new Event('change'))" >/dev/null
js_comes '["busy","stay"]' "return [...document.querySelectorAll('#keys .key')].map((key) => key.textContent).sort()"
js "const s = document.getElementById('search'); s.value = 'apple'; s.dispatchEvent(new Event('input'));
  const state = document.getElementById('state'); state.value = 'all'; state.dispatchEvent(new Event('change'))" >/dev/null
js_comes 2 "$(rows keys)"
ok "search and state"

# ---- For everybody

js_is '[]' "
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
  return faults" || fail "for those who do not see it: $(cat "$scratch/answer")"

# Once around by the Tab key: everything that does something has had the focus, and could be seen to have it.
js "document.activeElement.blur(); window.visited = []; window.unseen = [];
  document.addEventListener('focusin', (event) => {
    const one = event.target, style = getComputedStyle(one);
    window.visited.push(one);
    if (style.outlineStyle === 'none' && one.id !== 'main') window.unseen.push(one.outerHTML.slice(0, 100));
  })" >/dev/null
round=0
while [ $round -lt 6 ]; do
  press $tab $tab $tab $tab $tab $tab $tab $tab
  round=$((round + 1))
done
js_is '[]' "
  const wanted = [...document.querySelectorAll('a[href], button, input, select, [tabindex=\"0\"]')]
    .filter((one) => one.checkVisibility() && !one.closest('dialog'))
    .filter((one) => one.className !== 'name' || one.textContent.includes('$queue')); // queues of others come and go
  return wanted.filter((one) => !window.visited.includes(one)).map((one) => one.outerHTML.slice(0, 100))" ||
  fail "the Tab key does not reach: $(cat "$scratch/answer")"
js_is '[]' 'return window.unseen' || fail "the focus is not seen on: $(cat "$scratch/answer")"
js "document.querySelector('.plot > svg').focus()" >/dev/null
press $left $left
js_is true "return /^2 s ago: ready/.test(document.activeElement.getAttribute('aria-valuetext'))" ||
  fail "the plot is not read by arrow keys: $(js 'return document.activeElement.outerHTML.slice(0, 300)')"
js "document.getElementById('skip').focus()" >/dev/null
press $enter
js_is '"main"' 'return document.activeElement.id' || fail "nothing is skipped"
ok "the keyboard"

js "const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input'))" >/dev/null
for size in '360 740' '320 600' '768 1024' '1280 800' '1920 1080'; do
  # shellcheck disable=SC2086
  emulate $size light
  js_comes "[${size% *}]" "
    const wide = [...document.querySelectorAll('main *')].filter((one) => one.checkVisibility() && !one.closest('.hidden, svg *') &&
      one.getBoundingClientRect().right > innerWidth + 0.5);
    return [document.documentElement.scrollWidth, ...wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 150))]"
done
# Words must stand out from what is behind them, 4.5 to 1, in both lights.
for light in light dark; do
  emulate 360 740 $light
  js_is '[]' "
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
    return [...weak]" || fail "hard to read in the $light: $(cat "$scratch/answer")"
done
emulate 0 0 light
ok "a phone's width, light and dark"

# ---- Acting

[ -z "$(console)" ] || fail "the page complains: $(console; cat "$scratch/answer")"
# press_kick KEY: the button of a buried key.
focus_kick() {
  js "return [...document.querySelectorAll('#buried tbody tr')].filter((row) => row.querySelector('.key').textContent === '$1')
    .map((row) => row.querySelector('[data-name=kick]').focus()).length"
}
[ "$(focus_kick bad)" = 1 ] || fail "no button to kick bad"
press $enter
js_comes '"token"' 'return document.activeElement.id'
press $escape
js_comes '"Kick bad"' 'return document.activeElement.getAttribute("aria-label")'
press $enter
js_comes '"token"' 'return document.activeElement.id'
press w r o n g - w r o n g - w r o n g $enter
shows 'Refused: the token is missing or wrong.' message
expect_figure buried 3
focus_kick bad >/dev/null
press $enter
js_comes '"token"' 'return document.activeElement.id'
# shellcheck disable=SC2046 # letters, one by one
press $(echo $token | sed 's/./& /g') $enter
shows 'Kicked bad.' message
eventually figure_is buried 2
js_comes 2 "$(rows buried)"
js_is true 'return document.activeElement !== document.body' || fail "the focus is lost with the row that had it"
js 'document.getElementById("pause").click()' >/dev/null
eventually figure_is paused yes
shows paused queue-state
js 'document.getElementById("pause").click()' >/dev/null
eventually figure_is paused no
js 'document.getElementById("shutdown").click()' >/dev/null
js_comes true 'return document.getElementById("confirm-dialog").open'
press $escape
js_comes false 'return document.getElementById("confirm-dialog").open'
expect_figure shut_down no
js 'document.getElementById("kick-all").click()' >/dev/null
js_comes true 'return document.getElementById("confirm-dialog").open'
js 'document.getElementById("confirm-yes").click()' >/dev/null
eventually figure_is buried 0
shows 'No key is buried.' buried-note
# Nothing that leaves the page has the token: storage, cookies, the address.
js_is '[0,0,"",false]' "return [localStorage.length, sessionStorage.length, document.cookie, document.documentElement.outerHTML.includes('$token')]" ||
  fail "the token is kept: $(cat "$scratch/answer")"
console | grep -v 'status of 401' >"$scratch/complaints" || :
[ ! -s "$scratch/complaints" ] || fail "the page complains: $(cat "$scratch/complaints")"
ok "acting with the token, and not without"

js_is '[]' "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => !name.startsWith('$base/'))" ||
  fail "it asks another host: $(cat "$scratch/answer")"

# ---- What goes away

workq rm "$queue"
js_comes true "return document.getElementById('queue-title').textContent !== '$queue'"
! console | grep -qv 'status of 404' || fail "a queue that goes: $(cat "$scratch/answer")"
kill $server
ended $server
shows 'No answer' status
ok "a queue that goes, and a server that does"

# ---- Without --allow-actions

workq create "$queue"
workq add "$queue" key
rm "$scratch/listening" # not to be read before it has begun
workq serve --listen 127.0.0.1:0 >"$scratch/listening" &
later $!
eventually has_lines "$scratch/listening" 1
browse "$(sed -n 's,^listening on ,,p' "$scratch/listening")#/$queue"
shows "$queue" queue-title
js_comes 1 "$(rows keys)"
js_is '["hold"]' "return [...document.querySelectorAll('button')].filter((one) => one.checkVisibility()).map((one) => one.id)" ||
  fail "buttons where nothing is allowed: $(cat "$scratch/answer")"
ok "read-only"
