# The page of `workq serve` in a browser.
command_scripts += tests/browser/page.sh
EXTRA_DIST += tests/browser/browser.py tests/browser/page.py
