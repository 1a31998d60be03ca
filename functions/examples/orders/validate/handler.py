"""First step of the order pipeline: let good orders through, refuse the others for good."""

from serve import Reject, serve


def handle(event):
    """Return the order as validated, or reject it with the reason."""
    order = event.json()
    if not isinstance(order, dict):
        raise Reject("an order is a JSON object")
    number, amount = order.get("id"), order.get("amount")
    if not isinstance(number, str) or not number:
        raise Reject("order has no id")
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or amount <= 0:
        raise Reject(f"order {number}: amount {amount!r} is not a positive number")
    return {"type": "orders.validated", "subject": number, "data": {"id": number, "amount": amount}}


if __name__ == "__main__":
    serve(handle)
