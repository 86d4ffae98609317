"""Decide who may use the admin: roles, sign-in with a second factor or an identity provider.

Belongs here: the roles and their permissions, the form of the sign-in, and what the platform adds to it. Sign-ins are
recorded, and accounts locked, by ``webhooks.audit.sign_ins``.
"""
