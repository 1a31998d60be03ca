#!/bin/sh
# Run with: sh test.sh
cd "$(dirname "$0")" || exit 1
failed=0

# check DATA ATTEMPT WANT_EXIT WANT_STDOUT
check() {
  got=$(printf '%s' "$1" | PELTON_ATTEMPT=$2 sh handler.sh 2>/dev/null)
  code=$?
  if [ "$code" != "$3" ] || [ "$got" != "$4" ]; then
    echo "data $1, attempt $2: got exit $code, stdout '$got'; want exit $3, stdout '$4'" >&2
    failed=1
  fi
}

check '{"name": "you"}' 1 0 '{"greeting": "hello, you"}'
check '{}' 1 65 ''
check 'not json' 1 65 ''
check '{"name": "nobody"}' 1 75 ''
check '{"name": "nobody"}' 2 0 '{"greeting": "hello, nobody"}'

[ "$failed" = 0 ] && echo ok
exit "$failed"
