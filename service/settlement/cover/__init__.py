"""Commercial cover: offered on the divided bill, granted on the settled one, withdrawn first."""
