"""What people do beside syncs: decide about held plans, keep sites, erase, check, compare."""
