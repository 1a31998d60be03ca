#!/bin/sh
# Reads the event and fails, every time.
cat >/dev/null
echo "attempt ${PELTON_ATTEMPT:-?}: the printer is on fire" >&2
exit 1
