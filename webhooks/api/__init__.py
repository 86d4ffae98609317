"""Serve sources, receipts and rejections over REST. Views fetch, call one function and respond."""
