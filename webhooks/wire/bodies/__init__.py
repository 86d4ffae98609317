"""Read bodies as senders write them: compressed, in any Unicode encoding, as JSON of any size, as forms.

Belongs here: pure functions from the bytes of a body to values. Verification needs them only where a proof is in the
body, since senders sign the bytes that they send. Called by ``message_values`` and the rooms of the receiver.
"""
