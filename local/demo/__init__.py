"""`python -m local.demo`: a tenant's day goes through the bridge, and is accounted for without asking the bridge."""
