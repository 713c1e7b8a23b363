# A browser for tests: Debian's chromium without a window, driven through chromedriver with curl (the WebDriver protocol).
# Sourced after tests/cli/lib.sh.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # scratch is of lib.sh

# Text on standard input as a JSON string.
json_string() {
  sed 's/\\/\\\\/g; s/"/\\"/g; s/\t/\\t/g' |
    awk 'BEGIN { printf "\"" } NR > 1 { printf "\\n" } { printf "%s", $0 } END { printf "\"" }'
}

# webdriver PATH BODY: asks the browser; the answer is in $scratch/answer, and is good.
webdriver() {
  path=$1
  shift
  printf '%s' "$1" | curl -sS --max-time $hang_limit -H 'Content-Type: application/json' --data-binary @- "$session$path" >"$scratch/answer" ||
    fail "the browser does not answer"
  ! grep -q '^{"value":{"error"' "$scratch/answer" || fail "the browser says: $(head -c 600 "$scratch/answer")"
}

# browser_start: a window of 1280 by 800.
browser_start() {
  chromedriver --port=0 >"$scratch/chromedriver" 2>&1 &
  later $!
  eventually grep -q 'started successfully on port' "$scratch/chromedriver"
  session=http://127.0.0.1:$(sed -n 's/.*successfully on port \([0-9]*\).*/\1/p' "$scratch/chromedriver")/session
  mkdir "$scratch/profile"
  # No sandbox: tests run as root, too, and show it nothing but pages of ours.  Shared memory elsewhere than in /dev/shm.
  webdriver '' '{"capabilities":{"alwaysMatch":{"timeouts":{"script":'"$hang_limit"'000,"pageLoad":'"$hang_limit"'000},"goog:loggingPrefs":{"browser":"ALL"},"goog:chromeOptions":{"args":[
    "--headless=new","--no-sandbox","--disable-gpu","--disable-dev-shm-usage","--no-first-run","--disable-background-networking",
    "--hide-scrollbars","--force-device-scale-factor=1","--window-size=1280,800","--user-data-dir='"$scratch"'/profile"]}}}}'
  trap browser_end EXIT
  session=$session/$(sed -n 's/.*"sessionId":"\([0-9a-f]*\)".*/\1/p' "$scratch/answer")
}

# Before the files that it has open are removed, however the test ends.
browser_end() {
  status=$?
  set +e
  curl -sS --max-time $hang_limit -X DELETE "$session" >/dev/null
  (exit $status)
  clean_up
}

# browse URL
browse() { webdriver /url "{\"url\":\"$1\"}"; }

# js SCRIPT: runs it in the page; what it returns (a promise is waited for) is JSON on standard output.
js() {
  webdriver /execute/sync "{\"script\":$(printf '%s' "$1" | json_string),\"args\":[]}"
  sed 's/^{"value":\(.*\)}$/\1/' "$scratch/answer"
}

# js_is JSON SCRIPT
js_is() { [ "$(js "$2")" = "$1" ]; }

# js_comes JSON SCRIPT: waits, in the page, until the script returns that.
js_comes() {
  seen=$(js "return (async () => {
    const wanted = $(printf '%s' "$1" | json_string);
    const look = () => { $2 };
    for (const end = Date.now() + ${hang_limit}000; ; await new Promise((resolve) => setTimeout(resolve, 30))) {
      const seen = JSON.stringify(look());
      if (seen === wanted || Date.now() > end) return seen;
    }
  })()")
  [ "$seen" = "$(printf '%s' "$1" | json_string)" ] || fail "it never comes to be $1, and is $seen: $2"
}

# press KEY...: on the keyboard, one after the other; a KEY is a letter or \uXXXX (WebDriver's table of keys).
press() {
  strokes=
  for key; do strokes="$strokes${strokes:+,}{\"type\":\"keyDown\",\"value\":\"$key\"},{\"type\":\"keyUp\",\"value\":\"$key\"}"; done
  webdriver /actions "{\"actions\":[{\"type\":\"key\",\"id\":\"keyboard\",\"actions\":[$strokes]}]}"
}

# emulate WIDTH HEIGHT light|dark: what the device is; 0 0 is the window's own size.
emulate() {
  webdriver /goog/cdp/execute '{"cmd":"Emulation.setDeviceMetricsOverride","params":{"width":'"$1"',"height":'"$2"',"deviceScaleFactor":1,"mobile":false}}'
  webdriver /goog/cdp/execute '{"cmd":"Emulation.setEmulatedMedia","params":{"features":[{"name":"prefers-color-scheme","value":"'"$3"'"}]}}'
}

# picture FILE: of what the window shows.
picture() {
  curl -sS "$session/screenshot" | sed 's/^{"value":"\(.*\)"}$/\1/' | base64 -d >"$1"
}

# console: what the page has complained of since the last time, one a line.
console() {
  webdriver /se/log '{"type":"browser"}'
  sed 's/},{/}\n{/g' "$scratch/answer" | grep '"level":"\(SEVERE\|WARNING\)"' || :
}
