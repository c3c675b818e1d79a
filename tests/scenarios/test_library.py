"""The judge is judged: what the scripted primary sends right, other people's secondaries take."""
import pytest

from lib import ask
from lib.peers import Knot, Nsd
from lib.ports import free_port
from lib.scripted import ScriptedPrimary
from lib.wire import Signer, Version, messages
from lib.zones import Key

ZONE = "example."
SECONDARIES = {"knot": Knot, "nsd": Nsd}


@pytest.mark.parametrize("peer", SECONDARIES.values(), ids=SECONDARIES)
@pytest.mark.parametrize("key", [None, Key(), Key(algorithm="hmac-sha512")], ids=["unsigned", "sha256", "sha512"])
def test_scripted_primary(stage, peer, key):
    primary = ScriptedPrimary(stage, ZONE, key=key)
    secondary = peer(stage, [ZONE], key=key, primary_port=primary.port).start()
    ask.wait_serial(secondary.port, ZONE, 1)
    primary.publish(2, secondary.port, hosts=500)
    ask.wait_serial(secondary.port, ZONE, 2)
    ask.assert_same_zone(secondary.port, primary.port, ZONE, key, key)


@pytest.mark.parametrize("peer", SECONDARIES.values(), ids=SECONDARIES)
def test_gaps_between_signatures(stage, peer):
    primary = ScriptedPrimary(stage, ZONE, key=Key())
    secondary = peer(stage, [ZONE], key=primary.key, primary_port=primary.port).start()
    ask.wait_serial(secondary.port, ZONE, 1)

    def gaps(query):
        signer, wires = Signer(primary.key, query.mac), list(messages(query, primary.version.records, 1))
        return [signer.sign(w) if i % 100 == 0 or i == len(wires) - 1 else signer.unsigned(w) for i, w in enumerate(wires)]
    primary.versions[ZONE] = Version(ZONE, 2, hosts=300)
    primary.on_axfr = gaps
    primary.announce(secondary.port)
    ask.wait_serial(secondary.port, ZONE, 2)


def test_ports_are_handed_out_once(stage):
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200


def test_differences_are_seen(stage):
    """The comparison of zones fails when one record differs."""
    one, other = ScriptedPrimary(stage, ZONE), ScriptedPrimary(stage, ZONE, hosts=21)
    with pytest.raises(AssertionError, match="1 missing"):
        ask.assert_same_zone(one.port, other.port, ZONE)
