"""Sites: their preferences and schedules, which there are, and what each may use."""
