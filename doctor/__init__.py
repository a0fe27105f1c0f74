"""`python -m doctor`: looks at settings, storage, topic and a real tenant, changes nothing, and says what to do.

It reports on each assumption about Customer Insights that no documentation settles.
"""
