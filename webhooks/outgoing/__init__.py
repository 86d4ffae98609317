"""Make single HTTP calls to servers of others, through the address guard and within a deadline.

Every outgoing call that is not a delivery goes through here. All three apps may call in.
"""
