"""Send attempts as HTTP requests, many at once on one curl multi handle, each connection checked by the address
guard.
"""
