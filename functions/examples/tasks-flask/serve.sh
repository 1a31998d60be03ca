#!/bin/sh
# One process, because the tasks are in its memory; many threads, one for each request that the sidecar gives at one time.
command -v gunicorn >/dev/null || {
  echo 'gunicorn is not installed: apt-get install python3-flask gunicorn' >&2
  exit 1
}
exec gunicorn --worker-class gthread --workers 1 --threads 16 --keep-alive 75 --worker-tmp-dir /dev/shm \
  --bind "127.0.0.1:$PORT" app:app
