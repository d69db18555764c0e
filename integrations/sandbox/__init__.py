"""The partners' twins: one ASGI app each, written from the partner's document.

A twin never imports a partner folder, the ports or the kit, so that a shared mistake cannot
cancel out.
"""
