"""Read the topics of Apache Kafka and of what speaks its protocol.

source.py           the kind: its settings, partitions, seek, test
settings.py         the settings, and their checks without a connection
client.py           connect to a cluster whose every broker is checked, and name what is wrong with it
reader.py           fetch the records of one partition
records.py          make a record of a Kafka message: headers, key, CloudEvents, the connector's envelope
values.py           find the schema of a value by its first bytes or headers, and decode it to JSON
schema_registry.py  fetch schemas from Confluent's and Apicurio's registries
avro.py             decode Avro
protobuf.py         decode Protocol Buffers
proto_text.py       parse .proto files
"""
