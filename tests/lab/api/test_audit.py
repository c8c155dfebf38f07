"""What the lab can tell afterwards about the requests it got."""

from __future__ import annotations

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def test_requests_are_counted_by_verb_and_resource(served):
    served.ask("GET", CONFIG_MAPS)
    served.ask("GET", f"{CONFIG_MAPS}/missing")
    served.ask("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1")
    served.ask("GET", "/version")
    counted = {
        (r["verb"], r["resource"]): r["count"] for r in served.api.audit.as_json()["requests"]
    }
    assert counted == {
        ("list", "configmaps"): 1,
        ("get", "configmaps"): 1,
        ("watch", "configmaps"): 1,
        ("get", "/version"): 1,
    }
    assert served.api.audit.as_json()["statuses"] == {"200": 3, "404": 1}


def test_mutations_are_listed_with_who_and_what(served):
    served.ask("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    served.patch(f"{CONFIG_MAPS}/a?dryRun=All", {"data": {"x": "y"}})
    served.ask("PUT", f"{CONFIG_MAPS}/a", {"metadata": {"name": "a", "resourceVersion": "1"}})
    served.ask("DELETE", f"{CONFIG_MAPS}/a")
    rows = served.api.audit.as_json()["mutations"]
    assert [(r["verb"], r["name"], r["dryRun"], r["status"]) for r in rows] == [
        ("create", "a", False, 201),
        ("patch", "a", True, 200),
        ("delete", "a", False, 200),
    ]
    assert {r["user"] for r in rows} == {"kubernetes-admin"}
    assert {r["userAgent"] for r in rows} == {"python-requests/2.32"}
    assert rows[-1]["resourceVersion"] == str(served.store.resource_version)


def test_bytes_sent_are_counted(served):
    before = served.api.audit.bytes_sent
    answer = served.ask("GET", CONFIG_MAPS)
    assert served.api.audit.bytes_sent - before == len(answer.raw)
