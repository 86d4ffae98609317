"""Amazon SQS and Kinesis: signed calls over HTTPS through the guard, without the sockets of an SDK.

client.py       signed calls, and what their errors mean for the owner of a source
sqs.py          the kind sqs
kinesis.py      the kind kinesis
shards.py       which shards of a stream are read, children after their parents
aggregated.py   records of the Kinesis Producer Library, several in one
"""
