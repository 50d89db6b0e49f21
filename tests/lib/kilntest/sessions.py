"""A session of a server under test, by the words of its API."""

import json

from kilntest import host


class Session:
    """Made by its first use; `made` is the answer to that."""

    def __init__(self, server, **request):
        self.server = server
        request.setdefault("ttl_ms", 600_000)
        if "language" not in request:
            request.setdefault("image", "host")
        self.made = self.call("POST", "/v1/sessions", request, status=201)
        self.id = self.made["id"]
        self.path = f"/v1/sessions/{self.id}"

    @classmethod
    def found(cls, server, name):
        """One that is there already."""
        session = cls.__new__(cls)
        session.server, session.id, session.path = server, name, f"/v1/sessions/{name}"
        return session

    def call(self, method, path, document=None, status=200, timeout=60):
        answer = self.answer(method, path, document, timeout)
        assert answer.status == status, answer
        return answer.json() if answer.body else None

    def answer(self, method, path, document=None, timeout=60):
        body = None if document is None else json.dumps(document).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self.server.request(method, path, body, headers, timeout)

    def state(self):
        return self.call("GET", self.path)

    def wait(self, state, timeout=60):
        host.wait_until(lambda: self.state()["state"] == state, timeout, lambda: f"not {state}: {self.state()}")
        return self.state()

    def user(self, name, files=None):
        document = {"name": name} if files is None else {"name": name, "files": files}
        return self.call("POST", self.path + "/users", document, status=201)

    def run(self, user, *command, timeout=60, **more):
        if command:
            more["command"] = list(command)
        return self.call("POST", self.path + "/runs", {"user": user, **more}, timeout=timeout)

    def shell(self, user, script, **more):
        return self.run(user, "/bin/sh", "-c", script, **more)

    def printed(self, user, script, **more):
        """What a script that must end well prints."""
        result = self.shell(user, script, **more)
        assert result["outcome"] == "ok", result
        return result["steps"][0]["stdout"]

    def files(self, user=None):
        path = self.path + (f"/users/{user}/files" if user else "/files")
        return {name: file["content"] for name, file in self.call("GET", path)["files"].items()}

    def remove(self):
        self.call("DELETE", self.path, status=204)
