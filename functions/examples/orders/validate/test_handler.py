"""Run with: python3 -m unittest"""

import unittest

from handler import handle
from serve import Event, Reject


class HandleTest(unittest.TestCase):
    def test_passes_a_good_order_on(self):
        reply = handle(Event({"id": "e1"}, b'{"id": "o-1", "amount": 42}'))
        self.assertEqual(reply, {"type": "orders.validated", "subject": "o-1", "data": {"id": "o-1", "amount": 42}})

    def test_rejects_bad_orders(self):
        for data in (b"", b"7", b"{}", b'{"id": "o-1"}', b'{"id": "o-1", "amount": -5}', b'{"id": 7, "amount": 1}',
                     b'{"id": "o-1", "amount": true}', b'{"id": "o-1", "amount": "1"}'):
            with self.subTest(data=data), self.assertRaises(Reject):
                handle(Event({"id": "e1"}, data))


if __name__ == "__main__":
    unittest.main()
