import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
import webhooks.models
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
                ('tenant_id', models.UUIDField(blank=True, db_index=True, help_text='Its owner; empty: the operator.', null=True)),
                ('uid', models.CharField(blank=True, help_text='Your own id of it, accepted wherever its id is, also in its address.', max_length=256, null=True, validators=[django.core.validators.RegexValidator('\\A(?!src_)[A-Za-z0-9._-]{1,256}\\Z', 'A uid is 1 to 256 letters, digits, hyphens, underscores and full stops, and does not begin with src_.')])),
                ('name', models.CharField(blank=True, max_length=256)),
                ('scheme', models.CharField(help_text='How the sender signs.', max_length=64)),
                ('options', models.JSONField(blank=True, default=dict, help_text='What the scheme lets one configure.')),
                ('tolerance', models.PositiveIntegerField(default=300, help_text='Seconds a signed timestamp may be off, where the scheme signs one.', validators=[django.core.validators.MaxValueValidator(86400)])),
                ('public_url', models.URLField(blank=True, help_text='The address as the sender knows it, for schemes that sign it.', max_length=2048)),
                ('message_id_at', models.CharField(blank=True, help_text='Where the message id stands: header:Name or body:/json/pointer.', max_length=256)),
                ('event_type_at', models.CharField(blank=True, help_text='Where the event type stands.', max_length=256)),
                ('order_key_at', models.CharField(blank=True, help_text='Where the key stands whose receipts are handled one after the other.', max_length=256)),
                ('verify_token', models.BinaryField(help_text='Stored encrypted: the word by which a GET with hub.mode and hub.challenge is known (Meta, WebSub).', null=True)),
                ('allowed_origins', models.JSONField(blank=True, default=webhooks.models.anybody, help_text='Senders that get consent when they ask by OPTIONS (CloudEvents webhooks): DNS names, or "*".')),
                ('max_bytes', models.BigIntegerField(default=16777216, help_text='The largest body taken, in bytes; more is answered 413.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(5368709120)])),
                ('rate_per_minute', models.PositiveIntegerField(blank=True, help_text='Requests per minute one web process takes; more are answered 429. Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1)])),
                ('content_types', models.JSONField(blank=True, default=list, help_text='Media types taken, such as application/json or text/*; empty: all.')),
                ('answer_status', models.PositiveSmallIntegerField(choices=[(200, '200 OK'), (202, '202 Accepted'), (204, '204 No Content')], default=202)),
                ('answer_body', models.TextField(blank=True, help_text="What the sender is given to read; empty: the receipt's id as JSON.", max_length=4096)),
                ('answer_type', models.CharField(blank=True, help_text='The content type of answer_body.', max_length=128)),
                ('answer_when', models.CharField(choices=[('kept', 'When it is kept'), ('processed', 'When its handlers are done')], default='kept', help_text='Kept: at once. Processed: handlers first.', max_length=16)),
                ('answer_within', models.PositiveSmallIntegerField(default=10, help_text='Seconds a sender waits for the handlers; then it is answered 202: kept.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(25)])),
                ('handlers', models.JSONField(blank=True, default=list, help_text='What works on it: [{"handler": name, "pattern": {...}}, ...].')),
                ('handler_seconds', models.PositiveSmallIntegerField(default=30, help_text='Seconds the handlers of one receipt may take together; then they are ended, and it is a failure.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(900)])),
                ('retry_plan', models.JSONField(blank=True, help_text='Seconds to wait after each failure; empty: plans.PLAN.', null=True)),
                ('sequence_at', models.CharField(blank=True, help_text='Where a number or a time stands that grows from message to message.', max_length=256)),
                ('skip_stale', models.BooleanField(default=False, help_text='Do not handle a receipt when a later one of its key has been handled.')),
                ('paused_at', models.DateTimeField(blank=True, help_text='While paused, senders are answered 503 and told to come back.', null=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, help_text='A deleted source answers 410.', null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('deleted_at', None)), fields=('uid',), name='a_uid_means_one_source')],
            },
        ),
        migrations.CreateModel(
            name='SourceSecret',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('ciphertext', models.BinaryField(help_text='Encrypted under WAYPOST_ENCRYPTION_KEYS.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('expires_at', models.DateTimeField(blank=True, help_text='Not believed from here on.', null=True)),
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
                ('reason', models.CharField(max_length=64)),
                ('detail', models.CharField(blank=True, max_length=512)),
                ('headers', models.JSONField(default=dict, help_text='Without credentials.')),
                ('address', models.CharField(blank=True, help_text='Where the connection came from.', max_length=64)),
                ('size', models.BigIntegerField(help_text='Bytes read before it was refused.')),
                ('sha256', models.CharField(blank=True, help_text='Digest of the body, if it was read to its end.', max_length=64)),
                ('last_good_secret_id', models.UUIDField(editable=False, help_text='The secret that the last message which was believed was signed with.', null=True)),
                ('last_good_at', models.DateTimeField(editable=False, help_text='When that message came.', null=True)),
                ('unrecorded', models.PositiveIntegerField(default=0, help_text='Refusals before this one that were only counted.')),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('source', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='rejections', to='webhooks.source')),
            ],
            options={
                'indexes': [models.Index(fields=['source', 'id'], name='rejection_pages')],
            },
        ),
        migrations.CreateModel(
            name='Receipt',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('message_id', models.CharField(help_text="The sender's id of it, or else the body's digest.", max_length=256)),
                ('event_type', models.CharField(blank=True, max_length=256)),
                ('order_key', models.CharField(blank=True, max_length=256)),
                ('secret_id', models.UUIDField(editable=False, help_text="The source's secret it was signed with.", null=True)),
                ('content_type', models.CharField(blank=True, max_length=256)),
                ('headers', models.JSONField(default=dict, help_text='As they came, without credentials.')),
                ('body', models.BinaryField(help_text='The bytes as they came; NULL: see body_key.', null=True)),
                ('body_key', models.CharField(blank=True, help_text='The object in storage.', max_length=128)),
                ('size', models.BigIntegerField(help_text='Bytes of the body.')),
                ('sha256', models.CharField(help_text='Digest of the body, hexadecimal.', max_length=64)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), help_text='NULL: nothing is owed.', null=True)),
                ('claim_token', models.UUIDField(editable=False, null=True)),
                ('claims', models.PositiveSmallIntegerField(db_default=0, help_text='Claims since the last one that ended well or badly; many are poison.')),
                ('attempts', models.PositiveSmallIntegerField(db_default=0)),
                ('last_error', models.TextField(blank=True, db_default='')),
                ('processed_at', models.DateTimeField(null=True)),
                ('handled_by', models.JSONField(help_text='The names of the handlers that worked on it.', null=True)),
                ('out_of_order', models.BooleanField(db_default=False, help_text='A later one of its key had been handled before.')),
                ('skipped', models.BooleanField(db_default=False, help_text='Not handled, because it was out of order.')),
                ('dead_at', models.DateTimeField(null=True)),
                ('cause', models.CharField(blank=True, choices=[('exhausted', 'Every attempt failed'), ('refused', 'A handler gave it up'), ('poison', 'Claimed again and again without an end')], db_default='', max_length=16)),
                ('source', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='receipts', to='webhooks.source')),
            ],
            options={
                'permissions': [('replay_receipt', 'Can have receipts handled again')],
                'indexes': [models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='receipt_due'), models.Index(condition=models.Q(('due_at__isnull', False), models.Q(('order_key', ''), _negated=True)), fields=['source', 'order_key', 'id'], name='receipt_order'), models.Index(condition=models.Q(('dead_at__isnull', False)), fields=['dead_at'], name='receipt_dead'), models.Index(fields=['source', 'id'], name='receipt_pages'), models.Index(condition=models.Q(('event_type', ''), _negated=True), fields=['source', 'event_type', 'id'], name='receipt_types'), models.Index(condition=models.Q(('body_key', ''), _negated=True), fields=['body_key'], name='receipt_objects')],
                'constraints': [models.UniqueConstraint(fields=('source', 'message_id'), name='a_message_is_kept_once'), models.CheckConstraint(condition=models.Q(models.Q(('body__isnull', False), ('body_key', '')), models.Q(('body__isnull', True), ('body_key__gt', '')), _connector='OR'), name='a_body_stands_in_one_place')],
            },
        ),
        migrations.CreateModel(
            name='Mark',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('order_key', models.CharField(blank=True, max_length=256)),
                ('sequence', models.DecimalField(decimal_places=9, max_digits=38)),
                ('moved_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('source', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='marks', to='webhooks.source')),
            ],
            options={
                'indexes': [models.Index(fields=['moved_at'], name='mark_age')],
                'constraints': [models.UniqueConstraint(fields=('source', 'order_key'), name='a_key_has_one_mark')],
            },
        ),
        migrations.CreateModel(
            name='Hour',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('begins_at', models.DateTimeField()),
                ('received', models.BigIntegerField(default=0)),
                ('duplicates', models.BigIntegerField(default=0)),
                ('rejected', models.BigIntegerField(default=0)),
                ('turned_away', models.BigIntegerField(default=0)),
                ('processed', models.BigIntegerField(default=0)),
                ('failed', models.BigIntegerField(default=0)),
                ('dead', models.BigIntegerField(default=0)),
                ('source', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='hours', to='webhooks.source')),
            ],
            options={
                'indexes': [models.Index(fields=['begins_at'], name='hour_age')],
                'constraints': [models.UniqueConstraint(fields=('source', 'begins_at'), name='an_hour_is_counted_once')],
            },
        ),
    ]
