"""Whether a server says what its primary says: a fast wrong answer is worth nothing."""
import random

import dns.flags
import dns.message
import dns.query
import dns.rcode


def said(port, line):
    """What matters of the answer to a query of dnsperf's form: code, AA, answers, and where it refers to."""
    name, qtype = line.split()
    query = dns.message.make_query(name, qtype, want_dnssec=True, payload=4096)
    reply, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=port, timeout=3)
    authority = {(str(r.name).lower(), r.rdtype, frozenset(map(str, r))) for r in reply.authority if r.rdtype in (2, 6, 43)}
    answers = {(str(r.name).lower(), r.rdtype, r.ttl, frozenset(map(str, r))) for r in reply.answer}
    # Beside an answer the zone's name servers are the server's choice.
    return reply.rcode(), bool(reply.flags & dns.flags.AA), answers, set() if answers else authority


def unlike_the_primary(queries, port, primary_port, count):
    """How many of `count` queries drawn from the file are answered unlike the primary does."""
    with open(queries) as file:
        lines = file.readlines()
    unlike = 0
    for line in random.Random(41).sample(lines, min(count, len(lines))):
        try:
            unlike += said(port, line) != said(primary_port, line)
        except Exception:
            unlike += 1
    return unlike
