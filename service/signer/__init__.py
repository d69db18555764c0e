"""The signer as a process of its own, and the client that asks it.

The process alone needs the private halves of the keys it serves. It signs digests over a
Unix-domain socket for processes of its own user; it knows no database and no network.
"""
