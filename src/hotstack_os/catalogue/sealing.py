"""What images do so that services do not believe what they find in memcached.

Whoever reaches memcached can put something there. dogpile.cache unpickles what it finds: in our images it opens what
the service has sealed (images/files/sealed_cache.py), and nothing else. keystonemiddleware has another client, with
values that are plain bytes, checked by a signature; but that client by itself unpickles, before, whatever says of
itself that it is a pickle.
"""

from __future__ import annotations

from hotstack_os.catalogue.patching import SITE, edited

MODULE = f"{SITE}/sealed_cache.py"
_KEY = "/etc/hotstack/cache.key"
_TRY_SEALED = (
    "import pickle; from dogpile.cache.backends.memcached import PyMemcacheBackend as Backend"
    '; serde = Backend({"url": ["unix:/none"]}).serde; value, flags = serde.serialize("a", {1: 2})'
    '; assert serde.deserialize("a", value, flags) == {1: 2}; assert serde.deserialize("b", value, flags) is None'
    '; assert serde.deserialize("a", pickle.dumps(1), 1) is None'
)
_TRY_PICKLE = (
    "import memcache, pickle, types; text = pickle.dumps(1)"
    '; server = types.SimpleNamespace(recv=lambda _: text + b"--")'
    '; assert memcache.Client(["unix:/none"])._recv_value(server, 1, len(text)) is None'
)
STEPS = (
    edited(
        f"{SITE}/dogpile/cache/backends/memcached.py",
        r's/^\( *\)self\.serde = arguments\.get("serde", pymemcache\.serde\.pickle_serde)$/\1import sealed_cache'
        r"\n\1self.serde = sealed_cache.Sealed()/",
        r"^  *self\.serde = sealed_cache\.Sealed()$",
    ),
    edited(
        f"{SITE}/memcache.py",
        r's/^\( *\)val = unpickler\.load()$/\1raise ValueError("pickles are not believed")/',
        '^  *raise ValueError("pickles are not believed")$',
    ),
    f"mkdir /etc/hotstack && head -c32 /dev/zero | base64 > {_KEY} && python -c '{_TRY_SEALED}' && rm -r /etc/hotstack",
    f"python -c '{_TRY_PICKLE}'",
)
