from message import *
def judge(zone, question, answers):
    def facts(r):
        if r is None or isinstance(r, ValueError): return str(r)
        return (r.rcode, r.aa, r.tc, *(((frozenset(s) for s in r.sections[:2]) if not r.tc else ())))
    f = {k: facts(v) for k, v in answers.items()}
    peers = [f[p] for p in ("knot","nsd","bind")]
    if peers[0]==peers[1]==peers[2]:
        return ("same","") if f["understudy"]==peers[0] else ("fail","ours differs")
    def diff(a,b):
        if isinstance(a,str) or isinstance(b,str): return "unreadable"
        names=("rcode","aa","tc","answer","authority")
        return "+".join(n for n,x,y in zip(names,a,b) if x!=y)
    if peers[0]==peers[1]: odd="bind: "+diff(peers[0],peers[2])
    elif peers[0]==peers[2]: odd="nsd: "+diff(peers[0],peers[1])
    elif peers[1]==peers[2]: odd="knot: "+diff(peers[1],peers[0])
    else: odd="all"
    t=NAMES.get(question.rdtype,"?")
    return ("fail", f"{odd} {t if t in ('ANY','RRSIG','DS','NSEC3','NSEC','DNAME','NS') else ''} {'do' if question.do else ''}")
