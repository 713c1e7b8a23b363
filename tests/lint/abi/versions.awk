# versions.awk: makes of workq.h the header of another version, whose structures that may grow are shorter (-v version=older) or
# longer (-v version=newer, by a field named future).
#
# SPDX-License-Identifier: Apache-2.0

BEGIN {
  last["workq_options"] = "clock"
  last["workq_add_options"] = "wait_ns"
  last["workq_info"] = "running_ns"
  last["workq_measures"] = "shown"
  last["workq_pool"] = "arg"
}

/^typedef struct workq_/ { structure = $3 }

# The last fields of a structure, from that one on, are not there yet.
version == "older" && structure in last && $0 ~ "[ *(]" last[structure] "[;[)]" { leaving_out = 1 }

/^} workq_/ {
  if (version == "newer" && structure in last) print "  uint64_t future;"
  if (leaving_out) changed++
  structure = ""
  leaving_out = 0
}

version == "newer" && structure == "workq_stats_data" && /uint64_t spare\[7\];/ { sub(/uint64_t spare\[7\];/, "uint64_t future, spare[6];") }

!leaving_out

END { if (version == "older" && changed != 5) exit 1 }
