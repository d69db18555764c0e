"""The insurance bureau's twin, written from the partner's document, never from our adapter."""
