#!/bin/sh
# What {{.Name}} does with an event: greet whoever the data names.
#
# stdin is the event's data; its attributes are in CE_ID, CE_TYPE, CE_SUBJECT, ...; PELTON_ATTEMPT counts from 1.
# What goes to stdout is the reply event's data, published on the manifest's reply.subject; stderr is the log.
# Exit 0: done. 75: call again later. 65: give the event to the dead letters. Anything else: a retry too.
set -eu

name=$(sed -n 's/.*"name" *: *"\([^"]*\)".*/\1/p')
if [ -z "$name" ]; then
  echo 'want data such as {"name": "you"}' >&2
  exit 65
fi
if [ "$name" = nobody ] && [ "${PELTON_ATTEMPT:-1}" = 1 ]; then
  echo 'nobody is not in yet' >&2
  exit 75
fi
printf '{"greeting": "hello, %s"}\n' "$name"
