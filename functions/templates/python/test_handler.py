"""Run with: python3 -m unittest"""

import unittest

from handler import handle
from serve import Event, Reject, Retry


class HandleTest(unittest.TestCase):
    def test_greets(self):
        reply = handle(Event({"id": "1"}, b'{"name": "you"}'))
        self.assertEqual(reply["data"], {"greeting": "hello, you"})

    def test_rejects_data_it_cannot_read(self):
        for data in (b"", b"not json", b"{}", b"[]", b'{"name": 7}'):
            with self.subTest(data=data), self.assertRaises(Reject):
                handle(Event({"id": "1"}, data))

    def test_asks_for_another_attempt(self):
        with self.assertRaises(Retry):
            handle(Event({"id": "1"}, b'{"name": "nobody"}', attempt=1))
        self.assertIsNotNone(handle(Event({"id": "1"}, b'{"name": "nobody"}', attempt=2)))


if __name__ == "__main__":
    unittest.main()
