"""Stores readings of sensors: a batch is one transaction, and each event in it still has an outcome of its own.

Events are lines of JSON on standard input, results are lines of JSON on standard output.
"""

import json
import os
import sqlite3
import sys

SCHEMA = """CREATE TABLE IF NOT EXISTS readings (
    source TEXT, id TEXT, sensor TEXT NOT NULL, celsius REAL NOT NULL, PRIMARY KEY (source, id))"""


def read(event):
    """Return a row, or raise ValueError if the event can never become one."""
    data = event.get("data")
    if not isinstance(data, dict):
        raise ValueError("a reading is a JSON object")
    sensor, celsius = data.get("sensor"), data.get("celsius")
    if not isinstance(sensor, str) or not sensor:
        raise ValueError("reading has no sensor")
    if isinstance(celsius, bool) or not isinstance(celsius, (int, float)):
        raise ValueError(f"celsius is {celsius!r}, which is not a number")
    return event["source"], event["id"], sensor, celsius


def main():
    rows, results = [], []
    for line in sys.stdin:
        event = json.loads(line)
        result = {"id": event["id"], "source": event["source"], "outcome": "done"}
        try:
            rows.append(read(event))
        except ValueError as e:
            result.update(outcome="reject", reason=str(e))
        results.append(result)
    database = sqlite3.connect(os.environ.get("DATABASE", "readings.db"))
    with database:  # one transaction; an event that comes again is in it already
        database.execute(SCHEMA)
        database.executemany("INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?)", rows)
    for result in results:  # only now: what is called done is stored
        print(json.dumps(result))


if __name__ == "__main__":
    main()
