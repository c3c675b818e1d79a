"""A whole zone by AXFR, read as fast as it comes and not looked into: what sending it takes the server."""
import socket
import struct
import time

from peers import after_name, question


def whole_zone(server, zone, timeout=300):
    """Seconds, and processor seconds of the server, until the SOA that ends the zone has come."""
    message = struct.pack(">HHHHHH", 4244, 0, 1, 0, 0, 0) + question(zone, 252)
    begin, used = time.monotonic(), sum(server.cpu_seconds())
    with socket.create_connection(("127.0.0.1", server.port), timeout) as s:
        s.settimeout(timeout)
        s.sendall(struct.pack(">H", len(message)) + message)
        with s.makefile("rb", 1 << 20) as stream:
            first = end_of_soa = None
            while True:
                size = stream.read(2)
                if len(size) < 2:
                    raise RuntimeError(f"{server.name}: the AXFR of {zone} ended early")
                data = stream.read(struct.unpack(">H", size)[0])
                if data[3] & 15:
                    raise RuntimeError(f"{server.name}: the AXFR of {zone} was answered with response code {data[3] & 15}")
                if end_of_soa is None:
                    first, end_of_soa = data, numbers_of_soa(data)
                # The last record is the SOA again, and an SOA ends with its five numbers.
                if data.endswith(end_of_soa) and (data is not first or data.count(end_of_soa) > 1):
                    break
    return time.monotonic() - begin, sum(server.cpu_seconds()) - used


def numbers_of_soa(message):
    """The last 20 octets of the first record of an AXFR."""
    at = 12
    if struct.unpack(">H", message[4:6])[0]:
        at = after_name(message, at) + 4
    at = after_name(message, at)
    size = struct.unpack(">H", message[at + 8:at + 10])[0]
    return message[at + 10 + size - 20:at + 10 + size]
