"""A running worker and the rounds in which workers take turns."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from lineup import Peer, environment


@dataclass
class Record:
    """What one peer did: the answers to its steps, and its peak memory."""

    peer: Peer
    answers: list[dict] = field(default_factory=list)
    peak_bytes: int = 0


class Process:
    """A worker process; see worker.py for the protocol."""

    def __init__(self, peer: Peer, threads: int) -> None:
        self.peer = peer
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            peer.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            bufsize=1,
            env=environment(peer, threads),
        )

    def say(self, command: str) -> None:
        self.process.stdin.write(command + "\n")

    def answer(self) -> dict:
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        self.log.seek(0)
        sys.exit(f"{self.peer.name} ended early:\n{self.log.read()[-2000:]}")

    def ask(self, command: str) -> dict:
        self.say(command)
        return self.answer()


@contextmanager
def running(peer: Peer, threads: int) -> Iterator[Process]:
    """A process that is gone afterwards, whatever happens."""
    process = Process(peer, threads)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()
        process.log.close()


def take_turns(peers: list[Peer], rounds: int, threads: int, pause: float) -> list[Record]:
    """Let each worker take one step after the other, `rounds` times.

    While one works the others wait for input. The pause lets threads that spin
    for more work fall asleep.
    """
    records = [Record(peer) for peer in peers]
    with ExitStack() as stack:
        processes = []
        for peer in peers:
            process = stack.enter_context(running(peer, threads))
            process.answer()  # ready
            processes.append(process)
        for _ in range(rounds):
            for process, record in zip(processes, records, strict=True):
                time.sleep(pause)
                record.answers.append(process.ask("step"))
        for process, record in zip(processes, records, strict=True):
            record.peak_bytes = process.ask("quit")["peak_bytes"]
    return records


def seconds_to_first_answer(peer: Peer, threads: int) -> float:
    """From starting the process to the answer of its first step."""
    start = time.perf_counter()
    with running(peer, threads) as process:
        process.say("step")
        process.answer()  # ready
        process.answer()
        return time.perf_counter() - start
