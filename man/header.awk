# header.awk: reads workq.h for functions.awk: its functions, constants and types with their comments, each for the page that it
# belongs to, and takes a function's comment apart.
#
# It sets opening (the opening comment); of each function, by name, page_of, titles, prototypes and function_comments, and in
# functions[] their order; of each constant or type, by number, kinds, comments, bodies, owners, and type_names where it has one.
#
# SPDX-License-Identifier: Apache-2.0

# ---- Reading: the list of pages, the date, the header ----

FNR == 1 { file++ }

file == 1 && /^workq/ {
  title_at = index($0, ":")
  count = split(substr($0, 1, title_at - 1), names, " ")
  for (i = 1; i <= count; i++) page_of[names[i]] = names[1]
  titles[names[1]] = substr($0, title_at + 2)
}

file == 2 && $1 == ".Dd" { date = $0 }

file == 3 { read_line($0) }

# join(A, B): two lines of a text as one; the end of a sentence is two spaces.
function join(a, b) {
  gsub(/^ +| +$/, "", b)
  return a == "" ? b : a (a ~ /[.]\)?$/ ? "  " : " ") b
}

function read_line(line) {
  if (reading == "comment") {
    if (line ~ /^ \*\/$/) reading = ""
    else { sub(/^ \* ?/, "", line); comment = comment line "\n" }
  } else if (reading != "") {
    declaration = declaration "\n" line
    if (line ~ /;$/ && (reading == "function" || line ~ /^[}]/)) declared()
  } else if (line ~ /^\/\* ----/) {
    if (!seen_ruler) keep_things("workq_conventions")
    seen_ruler = 1
  } else if (line ~ /^\/\*$/) {
    reading = "comment"
    comment = ""
  } else if (line ~ /^\/\* .*\*\/$/) comment = substr(line, 4, length(line) - 6) "\n"
  else if (line ~ /^#ifndef WORKQ_H$/) { opening = comment; comment = "" }
  else if (line ~ /^#define WORKQ_[A-Z_]+ /) read_constant(line)
  else if (line ~ /^(enum|typedef|WORKQ_API|WORKQ_SIZED) /) {
    declaration = line
    reading = line ~ /^WORKQ_(API|SIZED)/ || line ~ /^typedef.*\(/ ? "function" : "block"
    if (line ~ /;$/) declared()
  } else if (line == "") comment = ""
}

function read_constant(line) {
  if (line ~ /^#define WORKQ_(API|SIZED|VERSION) /) return
  sub(/^#define /, "", line)
  if (comment != "" || !constants) constants = add_thing("constants")
  bodies[constants] = bodies[constants] line "\n"
}

# add_thing(KIND): what has been declared, with its comment; returns its number.
function add_thing(kind) {
  thing_count++
  kinds[thing_count] = kind
  comments[thing_count] = comment
  bodies[thing_count] = declaration
  if (kind == "constants") bodies[thing_count] = ""
  comment = declaration = reading = ""
  return thing_count
}

# keep_things(PAGE): constants and types read so far belong to it.
function keep_things(owner) {
  while (kept < thing_count) owners[++kept] = owner
}

function declared(    head, name) {
  constants = 0
  head = declaration
  if (head ~ /^WORKQ_(API|SIZED)/) {
    gsub(/\n +/, " ", head)
    match(head, /workq_[a-z_]+\(/)
    declared_function(substr(head, RSTART, RLENGTH - 1), head)
  } else if (head ~ /^typedef struct workq workq;/) declaration = comment = reading = ""
  else if (head ~ /^enum/) add_thing("enum")
  else {
    match(head, /workq_[a-z_]+/)
    name = substr(head, RSTART, RLENGTH)
    type_names[add_thing(head ~ /^typedef struct/ ? "struct" : "handler")] = name
  }
}

function declared_function(name, prototype,    i) {
  sub(/^WORKQ_(API|SIZED) /, "", prototype)
  prototypes[name] = prototype
  function_comments[name] = comment
  if (!(name in page_of)) {
    page_of[name] = name
    titles[name] = tolower(substr(comment, 1, 1)) substr(comment, 2)
    sub(/[.:;\n].*/, "", titles[name])
  }
  functions[++function_count] = name
  keep_things(page_of[name])
  for (i = 1; i <= thing_count; i++)
    if (i in type_names) page_of[type_names[i]] = owners[i]
  comment = declaration = reading = ""
}

# ---- A function's comment, in parts ----

# take_apart(TEXT): into described[1 ... described_count] (of kinds: text, parameter, item), returned, failed[...] (text or
# error) and died.
function take_apart(text,    lines, count, i, line, part) {
  described_count = failed_count = 0
  returned = died = part = ""
  split("", described)
  split("", failed)
  count = split(text, lines, /\n/)
  for (i = 1; i <= count; i++) {
    line = lines[i]
    if (line == "") part = end_part(part)
    else if (line ~ /^ -E/) { part = end_part(part); part = "error\n" substr(line, 2) }
    else if (line ~ /^ +- /) { part = end_part(part); sub(/^ +- +/, "", line); part = "item\n" line }
    else if (line ~ /^[a-z_]+(, [a-z_]+)*  +[^ ]/) { part = end_part(part); part = "parameter\n" line }
    else if (line ~ /^(Returns|If the caller dies|Errors as)/ || (part ~ /^error/ && line !~ /^  /)) {
      part = end_part(part)
      part = "text\n" line
    } else if (part == "") part = "text\n" line
    else part = join(part, line)
  }
  end_part(part)
}

function end_part(part,    kind, text) {
  if (part == "") return ""
  kind = substr(part, 1, index(part, "\n") - 1)
  text = substr(part, index(part, "\n") + 1)
  if (kind == "error") add_failed("error", text)
  else if (kind == "text") sort_sentences(text)
  else add_described(kind, text)
  return ""
}

function add_described(kind, text) {
  described[++described_count] = text
  described_kinds[described_count] = kind
}

function add_failed(kind, text) {
  failed[++failed_count] = text
  failed_kinds[failed_count] = kind
}

# sort_sentences(PARAGRAPH): each to where it belongs; one that says nothing about that follows the one before it.
function sort_sentences(paragraph,    sentences, count, i, where, text) {
  count = split(paragraph, sentences, /  /)
  where = "described"
  for (i = 1; i <= count; i++) {
    if (sentences[i] ~ /^Returns /) where = "returned"
    else if (sentences[i] ~ /^If the caller dies/) where = "died"
    else if (sentences[i] ~ /^(Errors as|-E)/) where = "failed"
    if (where == "described") text = text == "" ? sentences[i] : text "  " sentences[i]
    else if (where == "returned") sort_result(sentences[i])
    else if (where == "failed") sort_errors(sentences[i])
    else died = died == "" ? sentences[i] : died "  " sentences[i]
  }
  if (text != "") add_described("text", text)
}

# A sentence about the result may end with one about errors.
function sort_result(sentence,    errors) {
  if (sentence ~ /^Returns and errors as/) {
    sub(/ and errors/, "", sentence)
    errors = "Errors as for" substr(sentence, 11)
  }
  if (match(sentence, /[;,] (errors as for|-E)/)) {
    errors = substr(sentence, RSTART + 2)
    sentence = substr(sentence, 1, RSTART - 1) "."
  }
  returned = returned == "" ? sentence : returned "  " sentence
  if (errors != "") sort_errors(errors)
}

# A sentence about errors: "-EA, -EB as ...; -EC if ..., -ED if ...".
function sort_errors(sentence,    at) {
  if (sentence ~ /^-E/) {
    match(sentence, /^-E[A-Z]+(, -E[A-Z]+)*/)
    at = RLENGTH
    rest_of_errors = ""
    if (match(substr(sentence, at + 1), /[;,] -E/)) {
      rest_of_errors = substr(sentence, at + RSTART + 2)
      sentence = substr(sentence, 1, at + RSTART - 1)
    }
    sub(/\.$/, "", sentence)
    add_failed("error", substr(sentence, 1, at) " " substr(sentence, at + 1))
    if (rest_of_errors != "") sort_errors(rest_of_errors)
  } else if (match(sentence, /; -E/)) {
    add_failed("text", capital(substr(sentence, 1, RSTART - 1) "."))
    sort_errors(substr(sentence, RSTART + 2))
  } else add_failed("text", capital(sentence))
}

function capital(text) {
  return toupper(substr(text, 1, 1)) substr(text, 2)
}
