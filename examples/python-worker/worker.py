"""A Runyard worker on nothing but Python's standard library (3.9 or later).

It works on the job "word-count": it counts the words of many texts, one after the other, and keeps its place in a
checkpoint after each. Kill it at any point: the next attempt, here or anywhere, goes on from there.

    RUNYARD_API_KEY=... python3 worker.py
"""

import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request

BASE_URL = os.environ.get("RUNYARD_URL", "http://127.0.0.1:8080")
QUEUE = os.environ.get("RUNYARD_QUEUE", "word-count")
WORKER_ID = f"{socket.gethostname()}-{os.getpid()}"
LEASE_SECS = 15
CLAIM_WAIT_SECS = 20
TRIES_MAX = 5


class Refused(Exception):
    """An answer that is no success. `code` is one of those in docs/errors.md."""

    def __init__(self, status, code, message):
        super().__init__(f"{message} ({code}, {status})")
        self.status = status
        self.code = code


class Stopped(Exception):
    """The attempt has to end: its lease is lost, or somebody asked for it. `told` says which."""

    def __init__(self, told):
        super().__init__(told)
        self.told = told


def call(path, body, credential, timeout=30):
    """Posts JSON. What may succeed later is tried again; anything else raises Refused."""
    request = urllib.request.Request(
        BASE_URL + path,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {credential}", "Content-Type": "application/json"},
        method="POST",
    )
    for tries in range(1, TRIES_MAX + 1):
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            problem = json.loads(error.read() or b"{}").get("error", {})
            if error.code not in (429, 502, 503, 504) or tries == TRIES_MAX:
                raise Refused(error.code, problem.get("code"), problem.get("message")) from None
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            if tries == TRIES_MAX:
                raise
        time.sleep(min(2 ** (tries - 1), 10))


class Attempt:
    """One claimed run, with a heartbeat that renews its lease and listens to what the attempt is told."""

    def __init__(self, claimed, key):
        self.run = claimed["run"]
        self.payload = claimed["payload"]
        self.checkpoint = claimed["checkpoint"]
        self._claimed = claimed
        self._key = key
        self._told = None
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)
        self._heart.start()

    def report(self, what, body):
        """A call of the running attempt: "progress", "log", "checkpoint" and so on."""
        return call(f"/v1/runs/{self.run['id']}/{what}", body, self._claimed["run_token"])

    def tell(self, told):
        self._told = self._told or told

    def raise_if_told(self):
        if self._told:
            raise Stopped(self._told)

    def settle(self, outcome, **more):
        self._over.set()
        self._heart.join()
        call("/v1/workers/settle", {"settlements": [{**self._lease(), "outcome": outcome, **more}]}, self._key)

    def drop(self):
        self._over.set()

    def _lease(self):
        return {"run_id": self.run["id"], "lease_token": self._claimed["lease_token"]}

    def _beat(self):
        while not self._over.wait(LEASE_SECS / 3):
            try:
                body = {"worker_id": WORKER_ID, "leases": [self._lease()]}
                told = call("/v1/workers/heartbeat", body, self._key)["leases"][0]["told"]
                if told != "continue":
                    self.tell(told)
            except Exception as error:  # The lease expires by itself; the next beat may get through.
                print(f"heartbeat failed: {error}", file=sys.stderr)


def count_words(attempt):
    """The work: resumes after the texts that an earlier attempt has counted."""
    texts = attempt.payload["texts"]
    state = attempt.checkpoint["state"] if attempt.checkpoint else {"done": 0, "words": 0}
    for index in range(state["done"], len(texts)):
        attempt.raise_if_told()
        state = {"done": index + 1, "words": state["words"] + len(texts[index].split())}
        time.sleep(attempt.payload.get("pause_secs", 0))
        attempt.report("checkpoint", {"source": "python", "state": state})
        attempt.report("progress", {"percent": 100 * state["done"] / len(texts)})
    return {"words": state["words"], "texts": state["done"]}


def execute(attempt):
    try:
        attempt.settle("completed", result=count_words(attempt))
    except Stopped as stopped:
        # Paused keeps the run where it is; returned puts it back into its queue; a lost lease is somebody else's.
        if stopped.told == "stop":
            attempt.drop()
        else:
            attempt.settle("paused" if stopped.told == "pause" else "returned")
    except Refused as refused:
        attempt.drop()
        if refused.code != "stale_lease":
            raise
    except Exception as error:
        attempt.settle("failed", error=f"{type(error).__name__}: {error}")


def main():
    key = os.environ.get("RUNYARD_API_KEY")
    if not key:
        sys.exit("RUNYARD_API_KEY is not set: a key with the scope workers")
    closing = threading.Event()
    current = []

    def close(*_):
        closing.set()
        for attempt in current:
            attempt.tell("drain")

    signal.signal(signal.SIGTERM, close)
    signal.signal(signal.SIGINT, close)
    print(f"{WORKER_ID} works on queue {QUEUE}", flush=True)
    while not closing.is_set():
        body = {"worker_id": WORKER_ID, "queues": [QUEUE], "wait_secs": CLAIM_WAIT_SECS, "lease_secs": LEASE_SECS}
        for claimed in call("/v1/workers/claim", body, key, timeout=CLAIM_WAIT_SECS + 10)["runs"]:
            current[:] = [Attempt(claimed, key)]
            if closing.is_set():
                current[0].tell("drain")
            execute(current[0])
            current.clear()


if __name__ == "__main__":
    main()
