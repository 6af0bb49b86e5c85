"""A group's life over the JSON op endpoint, with nothing but Python 3:

    ROLLCALL_TOKEN=rollcall_... python3 examples/ops/group.py
"""

import json
import os
import urllib.request

URL = os.environ.get("ROLLCALL_OPS", "http://127.0.0.1:4000/backend")
TOKEN = os.environ["ROLLCALL_TOKEN"]


class OpError(Exception):
    """The gateway refused; the message is its code, such as BADGROUP. Nothing was written."""


def op(name, **parameters):
    """Runs one op. A refusal comes with HTTP 200 too: only `result` tells."""
    body = json.dumps({"op": name, "token": TOKEN, **parameters}).encode()
    request = urllib.request.Request(URL, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if not answer["result"]:
        raise OpError(answer["error"])
    return answer


def members(gid):
    """All members, a page at a time, in the order of addresses."""
    after = ""
    while True:
        page = op("groupgetmembers", group={"gid": gid}, count=1000, after=after)["members"]
        yield from page
        if len(page) < 1000:
            return
        after = page[-1]["address"]


if __name__ == "__main__":
    gid = op("groupadd", group={"name": "Team", "members": {"m": "alice,bob"}})["group"]["gid"]
    op("groupeditmembers", group={"gid": gid, "members": {"m": "carol", "permissions": {"send": False}}})
    op("groupeditmembers", group={"gid": gid, "members": {"m": "bob", "remove": True}})
    for member in members(gid):
        print(member["address"], "may send" if member["permissions"]["send"] else "may not send")
    op("groupdel", group={"gid": gid})
    try:
        op("groupget", group={"gid": gid})
    except OpError as refusal:
        print(refusal)
