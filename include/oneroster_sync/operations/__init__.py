"""Operations of people besides syncs: decisions, site management, erasure, checks, comparisons."""
