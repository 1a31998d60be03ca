"""What {{.Name}} does with an event."""

from serve import Reject, Retry, serve


def handle(event):
    """Greet whoever the data names.

    Return None, or a reply event: it is published on the manifest's reply.subject.
    Raise Retry to be called again later, Reject to give the event to the dead letters. Anything else that is raised
    is a retry too, with the manifest's back-off, until its attempts are spent.
    """
    data = event.json()
    name = data.get("name") if isinstance(data, dict) else None
    if not isinstance(name, str) or not name:
        raise Reject('want data such as {"name": "you"}')
    if name == "nobody" and event.attempt == 1:
        raise Retry("nobody is not in yet", after=1)
    return {"type": "{{.Name}}.greeted", "data": {"greeting": f"hello, {name}"}}


if __name__ == "__main__":
    serve(handle)
