import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
import webhooks.sources.models
import webhooks.wire.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Source',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('tenant_id', models.UUIDField(blank=True, db_index=True, help_text='Owner; empty: the operator.', null=True, verbose_name='tenant ID')),
                ('uid', models.CharField(blank=True, help_text='Your own id of the source, unique within its owner; accepted wherever its id is, except in its URL.', max_length=256, null=True, validators=[django.core.validators.RegexValidator('\\A(?!src_)[A-Za-z0-9._-]{1,256}\\Z', 'Must be 1 to 256 letters, digits, hyphens, underscores and full stops, and must not begin with src_.')], verbose_name='external ID')),
                ('name', models.CharField(blank=True, help_text='Name shown in lists.', max_length=256)),
                ('kind', models.CharField(default='http', help_text='Where messages come from: http (senders post them), or a system that is read; GET /source-kinds/ lists the kinds.', max_length=32)),
                ('settings', models.JSONField(blank=True, default=dict, help_text='Settings of the kind: what is read, and from where.')),
                ('credentials', models.BinaryField(help_text='Encrypted credentials of the kind, JSON.', null=True)),
                ('labels', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('scheme', models.CharField(help_text='How the sender signs its messages, such as standard, github or stripe.', max_length=64)),
                ('options', models.JSONField(blank=True, default=dict, help_text='Options of the scheme: an object of strings.')),
                ('sender', models.CharField(blank=True, help_text='Name of a known sender, whose settings the source was created with; GET /senders/ lists them.', max_length=64)),
                ('handshake', models.JSONField(blank=True, default=list, help_text='Rules by which the sender checks the address; empty: those of the scheme.')),
                ('timestamp_tolerance_seconds', models.PositiveIntegerField(default=300, help_text='Accepted difference between a signed timestamp and the present, in seconds.', validators=[django.core.validators.MaxValueValidator(86400)])),
                ('public_url', models.URLField(blank=True, help_text='The URL as the sender knows it, for schemes that sign the URL; empty: the URL of the request.', max_length=2048, verbose_name='public URL')),
                ('message_id_path', models.CharField(blank=True, help_text='Where the message id is: header:Name or body:/json/pointer; empty: as the scheme says.', max_length=256)),
                ('dedupe', models.CharField(choices=[('id', 'By the message id'), ('content', 'By the content, within a window'), ('off', 'Store every message')], default='id', help_text='How repeats are found: by the message id (a message without one is never a repeat), by equal content within dedupe_window_seconds, or not at all.', max_length=16)),
                ('dedupe_window_seconds', models.PositiveIntegerField(default=86400, help_text='With dedupe content: seconds for which equal content counts as the same message.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(2592000)])),
                ('event_type_path', models.CharField(blank=True, help_text='Where the event type is: header:Name or body:/json/pointer; empty: as the scheme says.', max_length=256)),
                ('envelope', models.CharField(choices=[('none', 'None: the body is the data of one event'), ('auto', 'The one that is recognized, or none'), ('cloudevents', 'CloudEvents'), ('eventbridge', 'Amazon EventBridge'), ('sns', 'Amazon SNS'), ('s3', 'Amazon S3 event notifications'), ('event_grid', 'Azure Event Grid'), ('pubsub', 'Google Cloud Pub/Sub'), ('standard', 'Standard Webhooks, Svix')], default='auto', help_text='Form of the body, which is opened into events for patterns of handlers and for the handler publish. auto opens what it recognizes; with a name, a message that does not have that form is dead with the reason.', max_length=16)),
                ('order_key_path', models.CharField(blank=True, help_text="Where the order key is: header:Name or body:/json/pointer. One key's receipts run in order.", max_length=256)),
                ('verify_token', models.BinaryField(help_text='Encrypted token that a GET with hub.mode and hub.challenge must carry (Meta, WebSub).', null=True)),
                ('allowed_origins', models.JSONField(blank=True, default=webhooks.sources.models.any_origin, help_text='DNS names of senders that may send after an OPTIONS request (CloudEvents webhooks); "*": all.')),
                ('allowed_networks', models.JSONField(blank=True, default=list, help_text='Networks (CIDR) or addresses that messages may come from; others get 403. Empty: all.')),
                ('max_bytes', models.BigIntegerField(default=26214400, help_text='Largest accepted body in bytes; a larger one gets 413.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(5368709120)])),
                ('rate_per_minute', models.PositiveIntegerField(blank=True, help_text='Accepted requests per minute and web process; more get 429. Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('content_types', models.JSONField(blank=True, default=list, help_text='Accepted media types, such as application/json or text/*; others get 415. Empty: all.')),
                ('response_status', models.PositiveSmallIntegerField(default=202, help_text='Status of the response to a new message, from 200 to 599.', validators=[django.core.validators.MinValueValidator(200), django.core.validators.MaxValueValidator(599)])),
                ('response_body', models.TextField(blank=True, help_text="Body of the response; null: the receipt's id as JSON. An empty string: no body.", max_length=4096, null=True)),
                ('response_content_type', models.CharField(blank=True, help_text='Content type of response_body; empty: application/json.', max_length=128)),
                ('response_when', models.CharField(choices=[('stored', 'When the message is stored'), ('processed', 'When its handlers have finished')], default='stored', help_text='When to respond: as soon as the message is stored, or after its handlers.', max_length=16)),
                ('response_timeout_seconds', models.PositiveSmallIntegerField(default=10, help_text='Longest wait for the handlers before the response, in seconds; after it the response is 202.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(25)])),
                ('responses', models.JSONField(blank=True, default=dict, help_text='Responses to the outcomes duplicate, failed (the handlers did, or took too long), rejected (no valid signature), paused and deleted, where they differ: {outcome: {"status", "body", "content_type"}}.')),
                ('handlers', models.JSONField(blank=True, default=list, help_text='Handlers to run: [{"handler": name, "pattern": {...}}, ...].')),
                ('handler_timeout_seconds', models.PositiveSmallIntegerField(default=30, help_text='Time limit of all handlers of one receipt together, in seconds.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(900)])),
                ('retry_plan', models.JSONField(blank=True, help_text='Seconds to wait after each failure; empty: the default, 9 attempts in 41 h.', null=True)),
                ('sequence_path', models.CharField(blank=True, help_text='Where a number or time is that grows from message to message: header:Name or body:/json/pointer.', max_length=256)),
                ('skip_out_of_order', models.BooleanField(default=False, help_text='Do not handle a receipt after a later one of the same order key.')),
                ('paused_at', models.DateTimeField(blank=True, help_text='Time of the pause. While paused, senders get 503 with Retry-After.', null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, help_text='Time of deletion. Signed messages get 410 afterwards.', null=True)),
                ('tenant_deleted_at', models.DateTimeField(editable=False, help_text='When its tenant was deleted; pending receipts are given up then.', null=True)),
                ('updated_at', models.DateTimeField(auto_now=True, help_text='When it was last changed.')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('deleted_at', None), ('uid__isnull', False)), fields=('tenant_id', 'uid'), name='source_uid_unique_per_tenant', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='SlowSource',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('until', models.DateTimeField()),
                ('source', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='webhooks.source')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='SourceSecret',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('name', models.CharField(blank=True, help_text='What it is for, such as live or test; a new secret replaces only those of its name.', max_length=64)),
                ('ciphertext', models.BinaryField(help_text='Encrypted under WAYPOST_ENCRYPTION_KEYS.')),
                ('expires_at', models.DateTimeField(blank=True, help_text='Last moment of use; empty: no end.', null=True)),
                ('is_received', models.BooleanField(default=False, help_text='The sender gave it in its handshake, so it can be shown to the owner.')),
                ('source', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secrets', to='webhooks.source')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Rejection',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('reason', models.CharField(help_text='Code of the failed check, such as no_match.', max_length=64)),
                ('detail', models.CharField(blank=True, help_text='The failed check in words.', max_length=512)),
                ('headers', models.JSONField(default=dict, help_text='Request headers; credentials are removed.')),
                ('remote_address', models.CharField(blank=True, help_text='IP address of the connection.', max_length=64)),
                ('size', models.BigIntegerField(default=0, help_text='Bytes read of the body.')),
                ('sha256', models.CharField(blank=True, help_text='SHA-256 of the body, if all of it was read.', max_length=64)),
                ('last_valid_secret_id', models.UUIDField(editable=False, help_text='The secret that signed the newest valid message before this request.', null=True)),
                ('last_valid_at', models.DateTimeField(editable=False, help_text='When that message was received.', null=True)),
                ('suppressed_count', models.PositiveIntegerField(default=0, help_text='Rejections before this one that were counted but not stored.')),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When the request was received.')),
                ('source', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rejections', to='webhooks.source')),
            ],
            options={
                'indexes': [models.Index(fields=['source', 'id'], name='rejection_source')],
            },
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('message_id', models.CharField(help_text="The sender's id of the message; without one the receipt's own id, or, if the source deduplicates by content, the SHA-256 of the body.", max_length=256)),
                ('may_repeat', models.BooleanField(db_default=False, editable=False, help_text='Whether other receipts may have the same message id.')),
                ('event_type', models.CharField(blank=True, help_text='Event type; empty if the message has none.', max_length=256)),
                ('order_key', models.CharField(blank=True, help_text='Receipts of one key are handled in order.', max_length=256)),
                ('secret_id', models.UUIDField(editable=False, help_text="The source's secret that signed the message.", null=True)),
                ('content_type', models.CharField(blank=True, help_text='Content type of the request.', max_length=256)),
                ('headers', models.JSONField(default=dict, help_text='Request headers; credentials are removed.')),
                ('body', models.BinaryField(help_text='The body; NULL if it is in storage under body_key.', null=True)),
                ('body_key', models.CharField(blank=True, help_text='Name of the object in storage.', max_length=128)),
                ('size', models.BigIntegerField(help_text='Size of the body in bytes.')),
                ('sha256', models.CharField(help_text='SHA-256 of the body, hexadecimal.', max_length=64)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When the message was received.')),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When the handlers run next; empty: they have finished.', null=True)),
                ('claim_token', models.UUIDField(editable=False, null=True)),
                ('claims', models.PositiveSmallIntegerField(db_default=0, help_text='Claims that a worker has not settled.')),
                ('attempts', models.PositiveSmallIntegerField(db_default=0, help_text='Runs of the handlers so far.')),
                ('last_error', models.TextField(blank=True, db_default='', help_text='Error of the last failed run.')),
                ('history', models.JSONField(db_default=models.Value([], models.JSONField()), default=list, editable=False, help_text='The latest runs of the handlers, oldest first; empty if the first one succeeded.')),
                ('processed_at', models.DateTimeField(help_text='When the handlers succeeded.', null=True)),
                ('handled_by', models.JSONField(help_text='Names of the handlers that ran.', null=True)),
                ('out_of_order', models.BooleanField(db_default=False, help_text='A later message of the same order key was handled before.')),
                ('skipped', models.BooleanField(db_default=False, help_text='Not handled, because it was out of order.')),
                ('dead_at', models.DateTimeField(help_text='When it was given up.', null=True)),
                ('cause', models.CharField(blank=True, choices=[('exhausted', 'Retries exhausted'), ('handler_gave_up', 'A handler raised GiveUp'), ('crashed_worker', 'Crashed its worker repeatedly'), ('unreadable_body', 'Its body is not what a handler reads it as'), ('tenant_deleted', 'Its tenant was deleted')], db_default='', help_text='Why it was given up; empty in any other state.', max_length=16)),
                ('source', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='webhooks.source')),
            ],
            options={
                'permissions': [('replay_receipt', 'Can replay receipts')],
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['source', 'due_at'], name='receipt_due'), models.Index(condition=models.Q(('claims__gt', 0)), fields=['due_at'], name='receipt_suspect'), models.Index(condition=models.Q(('due_at__isnull', False), models.Q(('order_key', ''), _negated=True)), fields=['source', 'order_key', 'id'], name='receipt_order_key'), models.Index(condition=models.Q(('dead_at__isnull', False)), fields=['dead_at'], name='receipt_dead'), models.Index(condition=models.Q(('may_repeat', True)), fields=['source', 'message_id'], name='receipt_message_id'), models.Index(fields=['source', 'id'], name='receipt_source'), models.Index(condition=models.Q(('event_type', ''), _negated=True), fields=['source', 'event_type', 'id'], name='receipt_event_type'), models.Index(condition=models.Q(('body_key', ''), _negated=True), fields=['body_key'], name='receipt_body_key')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('may_repeat', False)), fields=('source', 'message_id'), name='receipt_message_id_unique'), models.CheckConstraint(condition=models.Q(models.Q(('body__isnull', False), ('body_key', '')), models.Q(('body__isnull', True), ('body_key__gt', '')), _connector='OR'), name='receipt_body_in_one_place')],
            },
        ),
        migrations.CreateModel(
            name='LatestSequence',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('order_key', models.CharField(blank=True, max_length=256)),
                ('sequence', models.DecimalField(decimal_places=9, max_digits=38)),
                ('updated_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('source', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='sequences', to='webhooks.source')),
            ],
            options={
                'indexes': [models.Index(fields=['updated_at'], name='latest_sequence_updated_at')],
                'constraints': [models.UniqueConstraint(fields=('source', 'order_key'), name='latest_sequence_unique')],
            },
        ),
        migrations.CreateModel(
            name='SourceHour',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('starts_at', models.DateTimeField()),
                ('received', models.BigIntegerField(default=0)),
                ('duplicates', models.BigIntegerField(default=0)),
                ('conflicts', models.BigIntegerField(default=0)),
                ('rejected', models.BigIntegerField(default=0)),
                ('throttled', models.BigIntegerField(default=0)),
                ('processed', models.BigIntegerField(default=0)),
                ('unhandled', models.BigIntegerField(default=0)),
                ('handler_failures', models.BigIntegerField(default=0)),
                ('dead', models.BigIntegerField(default=0)),
                ('source', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='hours', to='webhooks.source')),
            ],
            options={
                'indexes': [models.Index(fields=['starts_at'], name='source_hour_starts_at')],
                'constraints': [models.UniqueConstraint(fields=('source', 'starts_at'), name='source_hour_unique')],
            },
        ),
        migrations.CreateModel(
            name='SourcePartition',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('owner', models.UUIDField(editable=False, help_text='Its tenant, or its source if no tenant owns it: takes turns.')),
                ('name', models.CharField(blank=True, help_text='Partition or shard; empty: the whole source.', max_length=256)),
                ('position', models.JSONField(help_text="Where reading goes on, in the terms of the source's system.", null=True)),
                ('next_read_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='When it is read next; null: not now.', null=True)),
                ('lease_token', models.UUIDField(editable=False, null=True)),
                ('partitions_listed_at', models.DateTimeField(editable=False, null=True)),
                ('records', models.BigIntegerField(db_default=0, help_text='Records fetched, with those fetched again.')),
                ('last_record_at', models.DateTimeField(help_text='When the latest record was stored.', null=True)),
                ('last_read_at', models.DateTimeField(help_text='When it was last read, whether or not there was a record.', null=True)),
                ('lag_records', models.BigIntegerField(help_text='Records that are not read yet; null: not known.', null=True)),
                ('lag_seconds', models.FloatField(help_text='Age of the oldest of these in seconds; null: not known.', null=True)),
                ('lag_bytes', models.BigIntegerField(help_text='What the other system keeps for this reader, in bytes; null: not known.', null=True)),
                ('warning', models.TextField(blank=True, db_default='', help_text='What endangers the source or the other system; empty: nothing.')),
                ('failures', models.PositiveIntegerField(db_default=0, help_text='Failed attempts to read since the last success.')),
                ('failing_since', models.DateTimeField(help_text='Time of the first of them; null: reading works.', null=True)),
                ('last_error', models.TextField(blank=True, db_default='', help_text='Why reading failed last; empty: it works.')),
                ('error_setting', models.CharField(blank=True, db_default='', help_text='The setting to correct, such as settings.topic.', max_length=128)),
                ('source', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='partitions', to='webhooks.source')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('next_read_at__isnull', False)), fields=['owner', 'next_read_at'], name='source_partition_due'), models.Index(condition=models.Q(('next_read_at__isnull', False)), fields=['next_read_at'], name='source_partition_next')],
                'constraints': [models.UniqueConstraint(fields=('source', 'name'), name='source_partition_unique')],
            },
        ),
    ]
