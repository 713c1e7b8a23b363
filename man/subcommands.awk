# subcommands.awk: makes the page of each subcommand from its parts in workq(1).
#
#   awk [-v page=NAME] -f subcommands.awk subcommands.c workq.1
#
# prints the page NAME, like workq-create, or without it the names of all pages.  Each command that has an item of its own in
# workq(1) has a page.  What it takes from there: its synopses; its item; of the arguments those in its synopses; the limiters if
# its item refers to them; the exit status; what speaks of it by name (.Cm) in ENVIRONMENT and CAVEATS; and the examples that
# use it.  Its line in NAME is the one in the command's own help, up to a semicolon.
#
# SPDX-License-Identifier: Apache-2.0

FNR == 1 { file++ }

file == 1 { source = source $0 " "; next }

/^\.Dd/ { date = $0 }
/^\.Sh/ { section = substr($0, 5); subsection = ""; current = 0; depth = 0; end_part(); next }
/^\.Ss/ { subsection = substr($0, 5); depth = 0; next }

section == "SYNOPSIS" { read_synopsis(); next }
section == "EXIT STATUS" { exit_status = exit_status $0 "\n"; next }
section == "ENVIRONMENT" || section == "CAVEATS" || section == "EXAMPLES" { read_part(); next }
subsection == "Limiters" { limiters = limiters $0 "\n"; next }
subsection != "" { read_item() }

END {
  end_part()
  name = page
  sub(/^workq-/, "", name)
  if (page == "")
    for (name in group) print "workq-" name
  else if (name in group)
    print_page()
  else {
    print "subcommands.awk: workq.1 has no " page >"/dev/stderr"
    exit 1
  }
}

# ---- Reading ----

function read_synopsis(    words, count, i) {
  if ($0 == ".Nm") { synopsis++; return }
  if ($1 == ".Cm" && !(synopsis in users)) {
    count = split($0, words, " ")
    for (i = 2; i <= count; i++) users[synopsis] = users[synopsis] " " words[i] " "
  } else synopses[synopsis] = synopses[synopsis] $0 "\n"
}

# The items of the lists that are not within others.
function read_item() {
  if (/^\.El/) depth--
  if (depth == 1 && /^\.It/) {
    current = substr($0, 5)
    if (subsection == "Arguments") heads[++head_count] = current
    else {
      current = $3
      group[current] = subsection
    }
    items[current] = ""
  } else if (depth >= 1) items[current] = items[current] $0 "\n"
  if (/^\.Bl/) depth++
}

# A part is a paragraph, with its display or list.
function read_part() {
  if (/^\.Pp/ && depth == 0) { end_part(); return }
  part = part $0 "\n"
  if (/^\.B[dl]/) depth++
  if (/^\.E[dl]/ && --depth == 0) end_part()
}

function end_part() {
  if (part != "") {
    part_sections[++part_count] = part_section
    parts[part_count] = part
  }
  part = ""
  part_section = section
}

# ---- Writing ----

# speaks_of(TEXT, MACRO_AND_NAME): it has that, as words of their own.
function speaks_of(text, what,    at) {
  gsub(/\n/, " ", text)
  return index(text " ", what " ") > 0
}

function put_parts(wanted,    i, any) {
  for (i = 1; i <= part_count; i++) {
    if (part_sections[i] != wanted) continue
    if (!speaks_of(parts[i], wanted == "EXAMPLES" ? "workq " name : ".Cm " name)) continue
    print any++ ? ".Pp" : ".Sh " wanted
    put(parts[i])
  }
}

# The page's own name is not the command's.
function put(text) {
  gsub(/\n\.Nm\n/, "\n.Nm workq\n", text)
  printf "%s", text
}

function summary(    at) {
  if (!match(source, "[{]\"" name "\", *cmd_[a-z_]+, *\"[^\"]*\", *\"[^\"]*\"")) {
    print "subcommands.awk: subcommands.c has no " name >"/dev/stderr"
    exit 1
  }
  source = substr(source, RSTART, RLENGTH - 1)
  while ((at = index(source, "\"")) > 0) source = substr(source, at + 1)
  sub(/;.*/, "", source)
  return source
}

function put_synopses(    i) {
  print ".Sh SYNOPSIS"
  for (i = 1; i <= synopsis; i++) {
    if (!speaks_of(users[i], " " name)) continue
    print ".Nm workq"
    print ".Cm " name
    put(synopses[i])
    own_synopses = own_synopses synopses[i]
  }
}

# "--" ends the options also where its synopsis has only keys.
function put_arguments(    i, any) {
  for (i = 1; i <= head_count; i++) {
    if (!speaks_of(own_synopses, heads[i]) && !(heads[i] == "Fl -" && speaks_of(own_synopses, "Ar key"))) continue
    if (!any++) print ".Ss Arguments\n.Bl -tag -width Ds"
    print ".It " heads[i]
    put(items[heads[i]])
  }
  if (any) print ".El"
}

# The whole, the commands of the same kind, and those that the item speaks of; by name.
function put_see_also(    other, chosen, count, i) {
  for (other in group)
    if (other != name && (group[other] == group[name] || speaks_of(items[name], "Cm " other))) {
      for (i = ++count; i > 1 && chosen[i - 1] > other; i--) chosen[i] = chosen[i - 1]
      chosen[i] = other
    }
  print ".Sh SEE ALSO"
  print ".Xr workq 1" (count ? " ," : "")
  for (i = 1; i <= count; i++) print ".Xr workq-" chosen[i] " 1" (i < count ? " ," : "")
}

function print_page() {
  print date
  print ".Dt WORKQ-" toupper(name) " 1"
  print ".Os"
  print ".Sh NAME"
  print ".Nm workq-" name
  print ".Nd " summary()
  put_synopses()
  print ".Sh DESCRIPTION"
  put(items[name])
  put_arguments()
  if (index(items[name], ".Sx Limiters")) put(".Ss Limiters\n" limiters)
  put_parts("ENVIRONMENT")
  print ".Sh EXIT STATUS"
  put(exit_status)
  put_parts("EXAMPLES")
  put_see_also()
  put_parts("CAVEATS")
}
