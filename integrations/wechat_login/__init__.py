"""WeChat mini-program login: the client's one-time code becomes an openid (payments.md 8)."""
