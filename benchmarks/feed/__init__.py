"""How fast the change feed is read, with years of audit stored."""
