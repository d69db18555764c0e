"""The life of keys: made, rotated, closed, cut off, backed up, destroyed; and the offline root.

Changes of the ring are pure (``changes``); the keystore file is edited under a lock
(``keystore_editing``); the root's ceremonies need neither network nor database (``ceremony``).
"""
