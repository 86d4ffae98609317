"""Serialize sources, secrets, receipts and rejections: one module a resource."""
