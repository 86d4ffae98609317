import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import webhooks.wire.ids
from pathlib import Path

from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('uid', models.CharField(blank=True, max_length=256, null=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9._-]{1,256}\\Z', 'A uid is 1 to 256 letters, digits, hyphens, underscores and full stops.')])),
                ('kind', models.CharField(db_default='http', default='http', editable=False, help_text='The transport that sends to it.', max_length=16)),
                ('url', models.CharField(max_length=2048)),
                ('origin', models.CharField(default='', editable=False, help_text='Scheme, host and port of the URL.', max_length=300)),
                ('moved_at', models.DateTimeField(editable=False, help_text='When it was given another URL last.', null=True)),
                ('description', models.CharField(blank=True, max_length=1024)),
                ('state', models.CharField(choices=[('active', 'Active'), ('paused', 'Paused: deliveries wait'), ('disabled', 'Disabled: deliveries wait until it is switched on or they expire'), ('unverified', 'Unverified: deliveries wait until it has consented')], default='active', max_length=10)),
                ('disabled_reason', models.CharField(blank=True, choices=[('gone', 'It answered 410 Gone'), ('failing', 'It failed for days without one success'), ('operator', 'Switched off by an operator')], editable=False, max_length=8)),
                ('state_changed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('consent', models.CharField(choices=[('unverified', 'Unverified'), ('asked', 'Asked: it may still call back'), ('granted', 'Granted')], default='unverified', editable=False, help_text='Whether it has said that it wants what we send.', max_length=10)),
                ('consented_at', models.DateTimeField(editable=False, null=True)),
                ('allowed_rate', models.PositiveIntegerField(editable=False, help_text='Requests per minute that it has consented to; empty: any.', null=True)),
                ('consent_key', models.BinaryField(max_length=32, null=True, unique=True)),
                ('consent_asked_at', models.DateTimeField(editable=False, null=True)),
                ('headers', models.JSONField(blank=True, default=dict, help_text='The names of headers of its own; values are stored encrypted.')),
                ('auth', models.JSONField(blank=True, default=dict, help_text='How it knows us, without the secrets.')),
                ('tls', models.JSONField(blank=True, default=dict, help_text='Whose client certificate it gets, and its own authorities.')),
                ('ciphertext', models.BinaryField(help_text='headers, auth and tls in full, encrypted.', null=True)),
                ('content_mode', models.CharField(choices=[('structured', 'Structured: the whole CloudEvent as JSON'), ('binary', 'Binary: data in the body, attributes in headers'), ('thin', 'Thin: the CloudEvent as JSON, with a link instead of its data')], default='structured', max_length=10)),
                ('thin_above', models.PositiveIntegerField(blank=True, help_text='Bytes of data above which it gets a link instead, whatever its content mode; empty: no limit.', null=True)),
                ('timeout_ms', models.PositiveIntegerField(default=15000, help_text='Milliseconds from the start of an attempt to its end, whatever happens in between.', validators=[django.core.validators.MinValueValidator(1000), django.core.validators.MaxValueValidator(30000)])),
                ('max_in_flight', models.PositiveSmallIntegerField(default=64, help_text='Attempts under way at once, at most.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(512)])),
                ('rate_limit', models.PositiveIntegerField(blank=True, help_text='Attempts per second (or minute: `rate_period`), at most; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100000)])),
                ('rate_period', models.CharField(choices=[('second', 'Per second'), ('minute', 'Per minute')], db_default='second', default='second', help_text='What the rate limit counts in.', max_length=6)),
                ('rate_burst', models.PositiveIntegerField(blank=True, help_text="Attempts that may go at once after a quiet while; empty: a tenth of a second's.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100000)])),
                ('ordering', models.CharField(blank=True, choices=[('', 'None: as fast as it goes'), ('endpoint', 'One after the other'), ('subject', 'One after the other for each subject'), ('partitionkey', 'One after the other for each partitionkey')], default='', help_text='A delivery that fails holds up those after it; of events published from now on.', max_length=12)),
                ('retry_plan', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(604800)]), blank=True, help_text='Seconds to wait after each failure; empty: the default, 10 attempts over 75 h 35 min.', null=True, size=None)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('version', models.BigIntegerField(default=0, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Token',
            fields=[
                ('endpoint', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='token', serialize=False, to='subscriptions.endpoint')),
                ('ciphertext', models.BinaryField()),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='Plan',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('uid', models.CharField(blank=True, help_text='Your own id of it.', max_length=256, null=True, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9._-]{1,256}\\Z', 'A uid is 1 to 256 letters, digits, hyphens, underscores and full stops.')])),
                ('name', models.CharField(max_length=256)),
                ('is_default', models.BooleanField(default=False, help_text='The plan of every tenant that was given no other.')),
                ('events_per_month', models.PositiveBigIntegerField(blank=True, help_text='Events taken in a calendar month (UTC); empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000000000)])),
                ('publish_rate', models.PositiveIntegerField(blank=True, help_text="Events per second, sustained; one second's worth at once; empty: no limit.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000)])),
                ('max_endpoints', models.PositiveIntegerField(blank=True, default=10000, help_text='Endpoints at a time; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000)])),
                ('max_event_bytes', models.PositiveIntegerField(blank=True, help_text="Bytes of one event as it is sent; empty: the platform's own limit, which holds in any case.", null=True, validators=[django.core.validators.MinValueValidator(256), django.core.validators.MaxValueValidator(1073741824)])),
                ('max_retention_days', models.PositiveSmallIntegerField(blank=True, help_text='Days a tenant may have its events kept, at most; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='one_default_plan')],
            },
        ),
        migrations.CreateModel(
            name='Reply',
            fields=[
                ('name', models.BinaryField(help_text='SHA-256 of the key, the address, and whose.', max_length=32, primary_key=True, serialize=False)),
                ('content', models.BinaryField(help_text='SHA-256 of what was asked for.', max_length=32)),
                ('status', models.PositiveSmallIntegerField()),
                ('ciphertext', models.BinaryField(help_text='Headers and body: they may hold what is shown once.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name_plural': 'replies',
                'indexes': [models.Index(fields=['created_at'], name='reply_age')],
            },
        ),
        migrations.CreateModel(
            name='Tenant',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('uid', models.CharField(blank=True, help_text='Your own id of it.', max_length=256, null=True, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9._-]{1,256}\\Z', 'A uid is 1 to 256 letters, digits, hyphens, underscores and full stops.')])),
                ('name', models.CharField(max_length=256)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('retention_days', models.PositiveSmallIntegerField(default=90, help_text='Days an event and its finished deliveries are kept.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('routes_version', models.BigIntegerField(default=0, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('plan', models.ForeignKey(blank=True, help_text='What it may use; empty: the default plan.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tenants', to='subscriptions.plan')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='EventType',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('name', models.CharField(max_length=256)),
                ('description', models.CharField(blank=True, max_length=4096)),
                ('group', models.CharField(blank=True, help_text='Under which heading it stands in the catalogue.', max_length=128)),
                ('schema_check', models.CharField(choices=[('off', 'Nothing'), ('warn', 'It is taken, with a warning'), ('enforce', 'It is refused')], default='warn', max_length=7)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('examples_text', models.TextField(default='[]', editable=False)),
                ('deprecated', models.BooleanField(default=False, help_text='Still sent; nobody should begin to rely on it.')),
                ('archived', models.BooleanField(default=False, help_text='In no catalogue any more.')),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('tenant', models.ForeignKey(blank=True, db_index=False, help_text="Empty: it is the deployment's, for all tenants.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='event_types', to='subscriptions.tenant')),
            ],
        ),
        migrations.AddField(
            model_name='endpoint',
            name='tenant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='endpoints', to='subscriptions.tenant'),
        ),
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('name', models.CharField(blank=True, max_length=256)),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('hint', models.CharField(editable=False, help_text='The first characters, to tell keys apart.', max_length=16)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('publish', 'Publish events'), ('manage', 'Create and change everything else'), ('read', 'Read')], max_length=16), default=list, size=None)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('tenant', models.ForeignKey(blank=True, help_text="Empty: an operator's key, for every tenant.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to='subscriptions.tenant')),
            ],
            options={
                'verbose_name': 'API key',
            },
        ),
        migrations.CreateModel(
            name='EventSchema',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField()),
                ('text', models.TextField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('event_type', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='schemas', to='subscriptions.eventtype')),
            ],
            options={
                'ordering': ['version'],
                'constraints': [models.UniqueConstraint(fields=('event_type', 'version'), name='one_schema_per_version')],
            },
        ),
        migrations.CreateModel(
            name='Secret',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('ciphertext', models.BinaryField()),
                ('public_key', models.CharField(blank=True, default='', editable=False, help_text='Of a key pair (v1a), as whpk_; else empty.', max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('expires_at', models.DateTimeField(blank=True, help_text='Empty: the current secret.', null=True)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secrets', to='subscriptions.endpoint')),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('expires_at', None)), fields=('endpoint',), name='one_current_secret_per_endpoint')],
            },
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=256), default=list, size=None)),
                ('pattern', models.JSONField(blank=True, null=True)),
                ('transformer', models.JSONField(blank=True, null=True)),
                ('description', models.CharField(blank=True, max_length=1024)),
                ('active', models.BooleanField(default=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('endpoint', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='subscriptions', to='subscriptions.endpoint')),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='subscriptions', to='subscriptions.tenant')),
            ],
            options={
                'indexes': [models.Index(fields=['tenant', 'id'], name='subscription_pages')],
            },
        ),
        migrations.AddIndex(
            model_name='eventtype',
            index=models.Index(fields=['name'], name='event_type_names'),
        ),
        migrations.AddConstraint(
            model_name='eventtype',
            constraint=models.UniqueConstraint(fields=('tenant', 'name'), name='one_event_type_per_name_of_a_tenant', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(fields=['tenant', 'id'], name='endpoint_pages'),
        ),
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['tenant', 'origin'], name='endpoint_origins'),
        ),
        migrations.AddConstraint(
            model_name='endpoint',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at', None)), fields=('tenant', 'uid'), name='one_endpoint_per_uid_of_a_tenant'),
        ),
        migrations.RunSQL((Path(__file__).parent / "versions.sql").read_text(), migrations.RunSQL.noop),
    ]
