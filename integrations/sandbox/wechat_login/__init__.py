"""WeChat's mini-program login as its document describes it, with codes minted on request."""
