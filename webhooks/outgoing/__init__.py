"""Make single HTTP calls to other people's servers, through the address guard and within a deadline.

Every outgoing call off the delivery path goes through here. All three apps may call in.
"""
