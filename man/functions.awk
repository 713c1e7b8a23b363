# functions.awk: makes the pages of section 3 from the header's comments.
#
#   awk [-v page=NAME] -f header.awk -f functions.awk functions.list workq.3 workq.h
#
# prints the page NAME, or without it the names of all pages.  What is not a page of its own is a link (.so) to the page that
# has it.  Constants and types belong to the page of the function that follows them; what stands before the header's first
# ruler belongs, with the opening comment, to workq_conventions(3).
#
# SPDX-License-Identifier: Apache-2.0

END {
  if (page == "")
    print_names()
  else if (page == "workq_conventions")
    print_conventions()
  else if (!(page in page_of)) {
    print "functions.awk: workq.h has no " page >"/dev/stderr"
    exit 1
  } else if (page_of[page] != page)
    print ".so man3/" page_of[page] ".3"
  else
    print_page()
}

function print_names(    name) {
  print "workq_conventions"
  for (name in page_of) print name
}

# ---- Text to mdoc ----

function flush_line() {
  if (line_out ~ /^[.']/) line_out = "\\&" line_out
  if (line_out ~ /\.\.\.$/) line_out = line_out "\\&"
  if (line_out != "") print line_out
  line_out = ""
}

function put_word(word) {
  if (length(line_out) + length(word) > 76) flush_line()
  line_out = line_out == "" ? word : line_out " " word
}

function put_macro(macro) {
  flush_line()
  print macro
}

# plain(WORD): safe from the formatter.
function plain(word) {
  gsub(/\\/, "\\e", word)
  gsub(/"/, "\\(dq", word)
  gsub(/\^/, "\\(ha", word)
  if (word ~ /^'|'[^a-z]*$/) gsub(/'/, "\\(aq", word)
  if (word ~ /^\(?-[0-9]/) sub(/-/, "\\-", word)
  return word
}

# macro_for(WORD): the macro for what the word is, "" for none.  Sets used to the length of what it takes.
function macro_for(word,    name) {
  if (match(word, /^workq_[a-z_]+\.[a-z_]+/)) name = ".Va " substr(word, 1, RLENGTH)
  else if (match(word, /^workq_[a-z_]+(\(\))?/)) name = reference(substr(word, 1, RLENGTH))
  else if (match(word, /^[a-z]+\(\)/)) name = "Fn " substr(word, 1, RLENGTH - 2)
  else if (match(word, /^[a-z_]+[0-9]?\([1-8]\)/)) name = manual(substr(word, 1, RLENGTH - 3), substr(word, RLENGTH - 1, 1))
  else if (match(word, /^-E[A-Z0-9]+/)) name = "Pf \\- Er " substr(word, 2, RLENGTH - 1)
  else if (match(word, /^(WORKQ_[A-Z_]+\*?|SIG[A-Z]+|[A-Z]+_[A-Z_]+)/)) name = "Dv " substr(word, 1, RLENGTH)
  else if (match(word, /^\*[a-z_]+/)) name = "Fa " substr(word, 1, RLENGTH)
  else if (match(word, /^[a-z]+_[a-z_]*[a-z]/)) name = "Va " substr(word, 1, RLENGTH)
  else if (match(word, /^\/(dev\/shm|workq\.NAME)/)) name = "Pa " substr(word, 1, RLENGTH)
  else if (match(word, /^<[a-z]+\.h>/)) name = "In " substr(word, 2, RLENGTH - 2)
  used = RLENGTH
  sub(/^\./, "", name)
  return name
}

function manual(name, section) {
  mentioned[section " " name] = 1
  return "Xr " name " " section
}

# reference(NAME): to a function or type; on its own page a name, elsewhere a cross reference.
function reference(name,    bare) {
  bare = name
  sub(/\(\)$/, "", bare)
  if (!(bare in page_of)) return "Nm " bare
  if (page_of[bare] == page) return (bare in prototypes ? "Fn " : "Vt ") bare
  return manual(bare, 3)
}

function put(word,    lead, macro, rest) {
  if (word ~ /^\(/) { lead = "("; word = substr(word, 2) }
  macro = macro_for(word)
  rest = substr(word, used + 1)
  if (macro == "" || rest !~ /^[]).,;:]*$/) {
    put_word(plain(lead word))
    return
  }
  gsub(/./, " &", rest)
  put_macro("." (lead == "" ? "" : "Pf ( ") macro rest)
}

# put_text(TEXT): words separated by a space, sentences by two.
function put_text(text,    words, count, i) {
  count = split(text, words, / /)
  for (i = 1; i <= count; i++)
    if (words[i] == "") flush_line()
    else put(words[i])
  flush_line()
}

# ---- Lists ----

# in_list(KIND, WIDTH): begins, goes on with or ends a list; KIND "" is none.
function in_list(kind, width) {
  if (list != "" && list != kind) print ".El"
  if (kind != "" && list != kind) print ".Bl " (kind == "item" ? "-bullet" : "-tag -width " width)
  list = kind
}

function put_described(    i, kind, at, last) {
  for (i = 1; i <= described_count; i++) {
    kind = described_kinds[i]
    if (kind == "text" && i > 1) {
      in_list("")
      print ".Pp"
    }
    if (kind == "text") put_text(described[i])
    else if (kind == "item") {
      in_list("item")
      print ".It"
      put_text(described[i])
    } else {
      in_list("parameter", "Ds")
      at = index(described[i], "  ")
      last = substr(described[i], 1, at - 1)
      gsub(/,/, " ,", last)
      gsub(/[a-z_]+/, "Fa &", last)
      print ".It " last
      put_text(trimmed(substr(described[i], at)))
    }
  }
  in_list("")
}

function trimmed(text) {
  gsub(/^[ \n]+|[ \n]+$/, "", text)
  return text
}

function put_failed(    i, codes) {
  for (i = 1; i <= failed_count; i++) {
    if (failed_kinds[i] == "text") {
      in_list("")
      if (i > 1) print ".Pp"
      put_text(failed[i])
      continue
    }
    in_list("error", "Ds")
    match(failed[i], /^-E[A-Z]+(, -E[A-Z]+)*,?/)
    codes = substr(failed[i], 1, RLENGTH)
    failed[i] = trimmed(substr(failed[i], RLENGTH + 1))
    sub(/,$/, "", codes)
    gsub(/-E/, "Pf \\- Er E", codes)
    gsub(/,/, " ,", codes)
    print ".It " codes
    put_text(failed[i])
  }
  in_list("")
}

# ---- Constants and types ----

function put_entry(tag, text) {
  print ".It " tag
  put_text(trimmed(text))
}

# remark(TEXT): the comment at its start, if there is one; sets after to what follows it.
function remark(text,    end, found) {
  sub(/^[ \n]+/, "", text)
  after = text
  if (text !~ /^\/\*/) return ""
  end = index(text, "*/")
  after = substr(text, end + 2)
  return substr(text, 3, end - 3)
}

# one_line(TEXT): its lines as one.
function one_line(text,    lines, count, i, all) {
  count = split(text, lines, /\n/)
  for (i = 1; i <= count; i++) if (lines[i] !~ /^ *$/) all = join(all, lines[i])
  return all
}

function put_constants(body,    lines, count, i, words, value) {
  count = split(body, lines, /\n/)
  for (i = 1; i < count; i++) {
    split(lines[i], words, " ")
    match(lines[i], /\/\*.*/)
    value = words[2] ~ /^[0-9]+u?$/ ? " Pq " (words[2] + 0) : ""
    put_entry("Dv " words[1] value, RSTART ? remark(substr(lines[i], RSTART)) : "")
  }
}

function put_enum(body,    name, text) {
  body = one_line(body)
  while (match(body, /WORKQ_[A-Z_]+ *= *-?[0-9]+,?/)) {
    name = substr(body, RSTART, RLENGTH)
    text = remark(substr(body, RSTART + RLENGTH))
    body = after
    sub(/ .*/, "", name)
    put_entry("Dv " name, text)
  }
}

function put_struct(body,    field, at, text) {
  sub(/^[^{]*[{]/, "", body)
  sub(/[}][^}]*$/, "", body)
  body = one_line(body)
  while ((at = index(body, ";")) > 0) {
    field = trimmed(substr(body, 1, at - 1))
    text = remark(substr(body, at + 1))
    body = after
    if (field ~ / reserved$/) continue
    put_entry(field_tag(field), text)
  }
}

function quoted(argument) {
  return argument ~ / / ? "\"" argument "\"" : argument
}

function field_tag(field,    at) {
  if (field ~ /\(/) return "Vt " quoted(field)
  match(field, /^(const )?[a-z0-9_]+( \*)?/)
  at = RLENGTH
  return "Vt " quoted(substr(field, 1, at)) (substr(field, at, 1) == "*" ? " Ns" : "") " Va " quoted(trimmed(substr(field, at + 1)))
}

function put_thing(number, first,    body) {
  if (number in type_names) print ".Ss " (kinds[number] == "struct" ? "struct " : "") type_names[number]
  else if (!first && comments[number] != "") print ".Pp"
  take_apart(comments[number])
  put_described()
  body = bodies[number]
  if (kinds[number] == "handler") {
    print ".Pp"
    print ".Vt \"" substr(body, 1, length(body) - 1) "\" ;"
    return
  }
  if (kinds[number] == "struct" && comments[number] != "") print ".Pp"
  print ".Bl -tag -width Ds" (kinds[number] == "struct" ? " -compact" : "")
  if (kinds[number] == "constants") put_constants(body)
  else if (kinds[number] == "enum") put_enum(body)
  else put_struct(body)
  print ".El"
}


# Constants first: a type has a heading, which they must not be under.
function put_things(    i, any, typed) {
  for (typed = 0; typed <= 1; typed++)
    for (i = 1; i <= thing_count; i++)
      if (owners[i] == page && (i in type_names) == typed) {
        if (!any) print ".Sh TYPES AND CONSTANTS"
        put_thing(i, !any++)
      }
}

# ---- Pages ----

function put_head(names, title) {
  print date
  print ".Dt " toupper(page) " 3"
  print ".Os"
  print ".Sh NAME"
  gsub(/ /, " ,\n.Nm ", names)
  print ".Nm " names
  print ".Nd " title
  print ".Sh LIBRARY"
  print "The work queue library (libworkq, \\-lworkq)"
  print ".Sh SYNOPSIS"
  print ".In workq.h"
}

# A prototype's parameters, one an element; commas inside parentheses separate none.
function put_prototype(name,    text, i, c, depth, parameter) {
  text = prototypes[name]
  i = index(text, name)
  print ".Ft " quoted(trimmed(substr(text, 1, i - 1)))
  line_out = ".Fn " name
  for (i += length(name) + 1; i < length(text); i++) {
    c = substr(text, i, 1)
    if (depth == 0 && (c == "," || c == ")")) {
      line_out = line_out " \"" trimmed(parameter) "\""
      parameter = ""
      if (c == ")") break
      continue
    }
    depth += c == "(" ? 1 : c == ")" ? -1 : 0
    parameter = parameter c
  }
  print line_out
  line_out = ""
}

function print_page(    names, i, name, list_of, count) {
  for (i = 1; i <= function_count; i++)
    if (page_of[functions[i]] == page) list_of[++count] = functions[i]
  names = page
  for (i = 1; i <= count; i++) if (list_of[i] != page) names = names " " list_of[i]
  for (i = 1; i <= thing_count; i++) if (owners[i] == page && i in type_names) names = names " " type_names[i]
  put_head(names, titles[page])
  for (i = 1; i <= count; i++) put_prototype(list_of[i])
  print ".Sh DESCRIPTION"
  for (i = 1; i <= count; i++) {
    if (count > 1) print ".Ss " list_of[i] "()"
    take_apart(function_comments[list_of[i]])
    if (described_count == 0) add_described("text", returned)
    put_described()
    result_of[i] = returned
    death_of[i] = died
  }
  put_things()
  put_results(list_of, count)
  put_errors(list_of, count)
  put_deaths(list_of, count)
  put_see_also(list_of, count)
}

function put_results(list_of, count,    i, any) {
  for (i = 1; i <= count; i++) {
    if (result_of[i] == "") continue
    print any++ ? ".Pp" : ".Sh RETURN VALUES"
    print ".Fn " list_of[i]
    put_text("r" substr(result_of[i], 2))
  }
  if (any && prototypes[page] ~ /^int /) {
    print ".Pp"
    print "A negative result is the number of an error, see"
    print ".Sx ERRORS ."
  }
}

function takes_handle(name) {
  return prototypes[name] ~ /[(]workq \*q/
}

function put_errors(list_of, count,    i, any, handle) {
  for (i = 1; i <= count; i++) {
    handle = handle || takes_handle(list_of[i])
    take_apart(function_comments[list_of[i]])
    if (failed_count == 0) continue
    print any++ ? ".Pp" : ".Sh ERRORS"
    if (count > 1) {
      print ".Fn " list_of[i] " :"
      if (failed_kinds[1] == "text") print ".br"
    }
    put_failed()
  }
  if (!handle) return
  print any ? ".Pp" : ".Sh ERRORS"
  manual("workq_conventions", 3)
  put_text("Errors of every call that takes a handle: " common_errors() ", see workq_conventions(3).")
}

# The errors that the opening comment lists.
function common_errors(    text, codes) {
  text = opening
  while (match(text, /\n -E[A-Z]+/)) {
    codes = codes (codes == "" ? "" : ", ") substr(text, RSTART + 2, RLENGTH - 2)
    text = substr(text, RSTART + RLENGTH)
  }
  return codes
}

function put_deaths(list_of, count,    i, any, handle) {
  for (i = 1; i <= count; i++) {
    handle = handle || takes_handle(list_of[i])
    any = any || death_of[i] != ""
  }
  if (!any && !handle) return
  print ".Sh IF THE CALLER DIES"
  if (handle) put_text(common_death())
  any = handle
  for (i = 1; i <= count; i++) {
    if (death_of[i] == "") continue
    if (any++) print ".Pp"
    if (count > 1) print ".Fn " list_of[i] " :"
    put_text(death_of[i])
  }
}

# What the opening comment says about that.
function common_death(    text) {
  text = substr(opening, index(opening, "IF THE CALLER DIES\n\n") + 20)
  return one_line(substr(text, 1, index(text, "\n\n")))
}

# Pages mentioned, and those of the types in the prototypes, by section and name.
function put_see_also(list_of, count,    i, text, key, keys, number, name) {
  for (i = 1; i <= count; i++) {
    text = prototypes[list_of[i]]
    while (match(text, /workq_[a-z_]+/)) {
      name = substr(text, RSTART, RLENGTH)
      text = substr(text, RSTART + RLENGTH)
      if (name in page_of) mentioned["3 " page_of[name]] = 1
    }
  }
  mentioned["3 workq"] = mentioned["3 workq_conventions"] = 1
  for (key in mentioned) {
    name = substr(key, 3)
    if (name in page_of) key = substr(key, 1, 2) page_of[name]
    if (key != "3 " page && !(key in chosen)) {
      chosen[key] = 1
      for (i = ++number; i > 1 && keys[i - 1] > key; i--) keys[i] = keys[i - 1]
      keys[i] = key
    }
  }
  print ".Sh SEE ALSO"
  for (i = 1; i <= number; i++) print ".Xr " substr(keys[i], 3) " " substr(keys[i], 1, 1) (i < number ? " ," : "")
}

# The opening comment: headings in capitals, items, errors.
function print_conventions(    lines, count, i, section, text) {
  put_head("workq_conventions", "what holds for every function of the work queue library")
  count = split(opening, lines, /\n/)
  print ".Sh DESCRIPTION"
  for (i = 1; i <= count + 1; i++) {
    if (i <= count && lines[i] !~ /^[A-Z ,]+$/) {
      text = text lines[i] "\n"
      continue
    }
    if (section != "") put_convention(section, text)
    section = lines[i]
    text = ""
  }
  put_things()
  put_see_also(lines, 0)
}

function put_convention(section, text) {
  if (section ~ /^CAVEATS/) section = "CAVEATS"
  print ".Ss " section
  take_apart(text)
  put_failed()
  if (failed_count > 0) print ".Pp"
  put_described()
}
