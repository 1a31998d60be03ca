#!/bin/sh
# Last step of the order pipeline: one line in a log file and a reply. No server: one process per event, with the event's
# data on stdin and its attributes in CE_*.
set -eu

order=$(cat)
printf '%s order %s charged: %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${CE_SUBJECT:-unknown}" "$order" >>"${LOG:-orders.log}"
printf '%s\n' "$order"
