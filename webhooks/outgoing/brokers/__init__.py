"""Connect to brokers on behalf of a tenant, at checked addresses: what reading from them and sending to them share.

unavailable.py      why a broker cannot be used
hosts.py            check the host of one server
kafka_settings.py   settings that every connection to Kafka has
kafka_cluster.py    a Kafka cluster
amqp_broker.py      a broker that speaks AMQP 0-9-1
nats_server.py      a NATS server

The libraries are optional: only the kinds of sources and destinations import a file, at its first use.
"""
