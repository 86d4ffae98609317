"""Queues of RabbitMQ, and of other brokers that speak AMQP 0-9-1.

connecting.py   a connection to a checked address, with a limit on the time of everything that it does
amqp_queue.py   the kind amqp
"""
