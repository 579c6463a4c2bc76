"""Sites: their registry, preferences and schedules, and the sources that each may use."""
