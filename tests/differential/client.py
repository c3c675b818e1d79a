"""Asks one server many questions at once: datagrams in batches, streams pipelined, answers matched by their ids."""
import select
import socket
import struct
import time

import message

BATCH = 100
HOST = "127.0.0.1"
AXFR = 252


class Client:
    def __init__(self, name, port, takes=lambda question: True):
        """`takes`: which questions the server is asked."""
        self.name, self.port, self.takes = name, port, takes
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._udp.connect((HOST, port))
        self._tcp = None
        self._ident = 1

    def close(self):
        self._udp.close()
        if self._tcp:
            self._tcp.close()

    def _wires(self, questions):
        """Queries by their ids, which no earlier batch used lately."""
        out = {}
        for question in questions:
            self._ident = self._ident % 65535 + 1
            out[self._ident] = (question, message.query(self._ident, question.name, question.rdtype, size=question.size, do=question.do))
        return out

    def send(self, questions):
        """Sends a batch of datagrams; collect() takes the answers."""
        self._open = self._wires(questions)
        for _, wire in self._open.values():
            self._udp.send(wire)

    def collect(self):
        """The responses to the batch, by question; None for a question without one."""
        found, waiting, tries = {}, dict(self._open), 0
        while waiting:
            if not select.select([self._udp], [], [], 1.0)[0]:
                tries += 1
                if tries == 4:
                    break
                for _, wire in waiting.values():
                    self._udp.send(wire)
                continue
            wire = self._udp.recv(65535)
            entry = waiting.pop(struct.unpack_from("!H", wire)[0], None) if len(wire) >= 12 else None
            if entry:
                found[entry[0]] = self._read(entry[1], wire)
        return found | {question: None for question, _ in waiting.values()}

    def stream(self, questions, seconds=10.0):
        """The same by TCP: all are written, then all are read."""
        open_ = self._wires(questions)
        for attempt in (0, 1):  # a connection that a server closed between two batches is opened again
            try:
                return self._stream(open_, seconds)
            except OSError:
                self._tcp.close()
                self._tcp = None
                if attempt:
                    return {question: None for question, _ in open_.values()}

    def _stream(self, open_, seconds):
        if self._tcp is None:
            self._tcp = socket.create_connection((HOST, self.port), seconds)
            self._tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tcp.settimeout(seconds)
        self._tcp.sendall(b"".join(struct.pack("!H", len(wire)) + wire for _, wire in open_.values()))
        found, waiting, data, end = {}, dict(open_), b"", time.monotonic() + seconds
        while waiting and time.monotonic() < end:
            part = self._tcp.recv(262144)
            if not part:
                raise ConnectionResetError
            data += part
            while len(data) >= 2 and len(data) >= 2 + (size := struct.unpack_from("!H", data)[0]):
                wire, data = data[2:2 + size], data[2 + size:]
                entry = waiting.pop(struct.unpack_from("!H", wire)[0], None)
                if entry:
                    found[entry[0]] = self._read(entry[1], wire)
        return found | {question: None for question, _ in waiting.values()}

    @staticmethod
    def _read(query, wire):
        try:
            response = message.parse(wire)
        except ValueError as error:
            return error
        end = 12 + len(response.question)
        if query[12:end] != response.question and query[12:end].lower() != response.question.lower():
            return ValueError("the question is not the one that was asked")
        return response


def transfer(port, apex, tries=3):
    """The records of a zone (its name in wire form), by AXFR; a peer under load may close a connection."""
    try:
        return transfer_once(port, apex)
    except ConnectionError:
        if tries == 1:
            raise
        time.sleep(0.2)
        return transfer(port, apex, tries - 1)


def transfer_once(port, apex):
    records, ends = [], 0
    with socket.create_connection((HOST, port), 10) as stream:
        wire = message.query(1, apex, AXFR)
        stream.sendall(struct.pack("!H", len(wire)) + wire)
        data = b""
        while ends < 2:
            while len(data) < 2 or len(data) < 2 + struct.unpack_from("!H", data)[0]:
                part = stream.recv(262144)
                if not part:
                    raise ConnectionResetError(f"a transfer that ends early, at {len(records)} records")
                data += part
            size = struct.unpack_from("!H", data)[0]
            answer = message.parse(data[2:2 + size]).sections[0]
            data = data[2 + size:]
            records += answer
            ends += sum(record[1] == message.TYPES["SOA"] for record in answer)
            if not answer:
                raise ValueError("an empty message in a transfer")
    return records


def ask_all(clients, questions):
    """(question, {server: response}) for each, in order, of the servers that take it. All servers have the same batch open at a time."""
    for at in range(0, len(questions), BATCH):
        batch = questions[at:at + BATCH]
        datagrams, streams = [q for q in batch if not q.tcp], [q for q in batch if q.tcp]
        for client in clients:
            client.send([question for question in datagrams if client.takes(question)])
        answers = {client.name: client.collect() for client in clients}
        for client in clients:
            if taken := [question for question in streams if client.takes(question)]:
                answers[client.name] |= client.stream(taken)
        for question in batch:
            yield question, {client.name: answers[client.name][question] for client in clients if client.takes(question)}
