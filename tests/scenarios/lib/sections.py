"""Responses in a form that can be compared: order within and between RRsets means nothing."""
import dns.flags
import dns.rcode


def records(section):
    return sorted(f"{rrset.name.to_text().lower()} {rrset.ttl} {rdata.rdtype.name if hasattr(rdata.rdtype, 'name') else rdata.rdtype} {rdata.to_text()}"
                  for rrset in section for rdata in rrset)


def facts(message):
    """What two servers must agree on: code, flags, answer and authority; and the additional section of a referral."""
    authoritative = bool(message.flags & dns.flags.AA)
    referral = not authoritative and not message.answer and message.rcode() == 0
    return {
        "rcode": dns.rcode.to_text(message.rcode()),
        "authoritative": authoritative,
        "truncated": bool(message.flags & dns.flags.TC),
        "answer": records(message.answer),
        "authority": records(message.authority),
        "glue": records(message.additional) if referral else None,
    }
