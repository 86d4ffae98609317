import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.core.validators
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.utils.timezone
import webhooks.wire.ids
from pathlib import Path

from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('webhooks', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Endpoint',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('uid', models.CharField(blank=True, max_length=256, null=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9._-]{1,256}\\Z', 'A uid is 1 to 256 letters, digits, hyphens, underscores and full stops.')], verbose_name='external ID')),
                ('kind', models.CharField(db_default='http', default='http', editable=False, help_text='Type of destination: `http`, or another system that its deliveries are written to.', max_length=32)),
                ('description', models.CharField(blank=True, help_text='Free text for people.', max_length=1024)),
                ('state', models.CharField(choices=[('active', 'Active'), ('paused', 'Paused'), ('disabled', 'Disabled'), ('unverified', 'Unverified')], default='active', help_text='While not active, deliveries wait up to seven days; after a 410 they become dead letters at once.', max_length=10)),
                ('disabled_reason', models.CharField(blank=True, choices=[('responded_410', '410 Gone'), ('failing', 'Failing for days'), ('operator', 'By operator')], editable=False, help_text='Why the endpoint is disabled; empty in any other state.', max_length=13)),
                ('disabled_note', models.CharField(blank=True, db_default='', default='', editable=False, help_text='What the operator who disabled it said; empty in any other state.', max_length=1024)),
                ('state_changed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When the state last changed.')),
                ('repaired_at', models.DateTimeField(editable=False, help_text='When its owner or an operator last said that it works again; null: never.', null=True)),
                ('allowed_rate', models.PositiveIntegerField(editable=False, help_text='Requests per minute that the endpoint allowed when verified; null: any.', null=True)),
                ('timeout_ms', models.PositiveIntegerField(default=15000, help_text='Milliseconds for one attempt, from its start to its end.', validators=[django.core.validators.MinValueValidator(1000), django.core.validators.MaxValueValidator(30000)], verbose_name='timeout (ms)')),
                ('max_in_flight', models.PositiveSmallIntegerField(default=512, help_text='Maximum number of concurrent attempts.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(512)])),
                ('rate_limit', models.PositiveIntegerField(blank=True, help_text='Maximum number of attempts per `rate_period`; null: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100000)])),
                ('rate_period', models.CharField(choices=[('second', 'Per second'), ('minute', 'Per minute')], db_default='second', default='second', help_text='Unit of `rate_limit`.', max_length=6)),
                ('rate_burst', models.PositiveIntegerField(blank=True, help_text="Burst size: attempts that may start at once after a pause; null: a tenth of a second's rate.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100000)])),
                ('ordering', models.CharField(blank=True, choices=[('', 'None'), ('endpoint', 'All deliveries in order'), ('subject', 'In order per subject'), ('partitionkey', 'In order per partitionkey')], default='', help_text='Whether a failing delivery blocks those after it. Applies to events published from now on.', max_length=12)),
                ('latest_only', models.CharField(blank=True, help_text='Of the deliveries that wait, only the latest of each key is sent: `endpoint` (one key for all), `subject`, `partitionkey`, or a path into the event such as `$.data.order.id`; null: all are sent. Applies to events published from now on.', max_length=256, null=True)),
                ('retry_plan', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(604800)]), blank=True, help_text='Seconds to wait after each failure; null: the default, 10 attempts over 75 h 35 min.', null=True, size=None)),
                ('batch', models.JSONField(blank=True, help_text='Events that share a request: at most `max_events` and `max_bytes`, sent `window_seconds` after the first of them; null: each event has a request of its own.', null=True)),
                ('masks', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='Values of events that are removed, masked, hashed or encrypted for this endpoint.')),
                ('unmasked', models.BooleanField(db_default=False, default=False, help_text='Whether it receives events without the masks of their types. Only a platform key may set it. Applies to events published from now on.')),
                ('expires_at', models.DateTimeField(blank=True, help_text='When it is deleted, and what still waits for it is cancelled, within a minute; null: never.', null=True)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('labels', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('secrets_changed_at', models.DateTimeField(editable=False, help_text='When a signing secret was last added, changed or deleted.', null=True)),
                ('version', models.BigIntegerField(default=0, editable=False)),
                ('updated_at', models.DateTimeField(auto_now=True, help_text='When it was last changed.')),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('on_failure', models.ForeignKey(blank=True, db_index=False, help_text='Endpoint that gets an invocation record of each delivery that ended without success; null: none.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='subscriptions.endpoint')),
                ('on_success', models.ForeignKey(blank=True, db_index=False, help_text='Endpoint that gets an invocation record of each delivery that succeeded; null: none.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='subscriptions.endpoint')),
            ],
        ),
        migrations.CreateModel(
            name='EventType',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('name', models.CharField(help_text='Type of the events, such as order.paid.', max_length=256)),
                ('description', models.CharField(blank=True, help_text='What an event of this type means.', max_length=4096)),
                ('group', models.CharField(blank=True, help_text='Heading under which the catalogue lists the type.', max_length=128)),
                ('schema_check', models.CharField(choices=[('off', 'Accept'), ('warn', 'Accept with a warning'), ('enforce', 'Reject')], default='warn', help_text='What happens to an event that does not match the schema.', max_length=7)),
                ('version', models.PositiveIntegerField(default=0, editable=False, help_text='Version of the current schema; 0: no schema.')),
                ('examples_text', models.TextField(default='[]', editable=False)),
                ('masks', models.JSONField(blank=True, default=list, help_text='Values of events of this type that are removed, masked, hashed or encrypted before they are stored.')),
                ('indexed_paths', models.JSONField(blank=True, db_default=models.Value([], models.JSONField()), default=list, help_text='Paths into the data, such as data.order.id, by whose values events of this type can be found.')),
                ('deprecated', models.BooleanField(default=False, help_text='Still sent, but new receivers should not use it.')),
                ('archived', models.BooleanField(default=False, help_text='Hidden from the catalogue.')),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was last changed.')),
            ],
        ),
        migrations.CreateModel(
            name='Inspector',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('name', models.CharField(blank=True, help_text='Name shown on the page.', max_length=256)),
                ('token', models.CharField(editable=False, max_length=43, unique=True)),
                ('page_token', models.CharField(editable=False, max_length=43, unique=True)),
                ('response_status', models.PositiveSmallIntegerField(default=200, help_text='HTTP status of every response, from 200 to 599: `503`, for example, to see retries.', validators=[django.core.validators.MinValueValidator(200), django.core.validators.MaxValueValidator(599)])),
                ('response_delay_ms', models.PositiveIntegerField(default=0, help_text="Milliseconds before each response, at most 20,000: longer than the endpoint's `timeout_ms`, for example, to see timeouts.", validators=[django.core.validators.MaxValueValidator(20000)])),
                ('expires_at', models.DateTimeField(help_text='When the inspector and its requests are deleted.')),
            ],
            options={
                'permissions': [('view_payload', 'Can view requests that inspectors received')],
            },
        ),
        migrations.CreateModel(
            name='Tenant',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('uid', models.CharField(blank=True, help_text='Your own ID of the tenant.', max_length=256, null=True, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9._-]{1,256}\\Z', 'A uid is 1 to 256 letters, digits, hyphens, underscores and full stops.')], verbose_name='external ID')),
                ('name', models.CharField(help_text='Name shown in lists.', max_length=256)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('labels', models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict)),
                ('is_platform', models.BooleanField(db_default=False, default=False, help_text="Whether this is the platform's own tenant, whose endpoints receive the operational events of all tenants. At most one is.")),
                ('unknown_event_types', models.CharField(blank=True, choices=[('accept', 'Accept'), ('warn', 'Accept with a warning'), ('refuse', 'Reject')], db_default='', default='', help_text='What happens to a published event whose type is not in the catalogue; empty: as the platform says (WAYPOST_UNKNOWN_EVENT_TYPES).', max_length=6)),
                ('retention_days', models.PositiveSmallIntegerField(default=90, help_text='Days an event and its finished deliveries are kept.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('unshortened_retention_days', models.PositiveSmallIntegerField(editable=False, help_text='The retention to restore when the plan allows it again; null: the plan shortens nothing.', null=True)),
                ('routes_version', models.BigIntegerField(default=0, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Plan',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('uid', models.CharField(blank=True, help_text='Your own ID of the plan.', max_length=256, null=True, unique=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9._-]{1,256}\\Z', 'A uid is 1 to 256 letters, digits, hyphens, underscores and full stops.')], verbose_name='external ID')),
                ('name', models.CharField(help_text='Name shown in lists.', max_length=256)),
                ('is_default', models.BooleanField(default=False, help_text='Whether this plan applies to tenants without a plan.')),
                ('events_per_month', models.PositiveBigIntegerField(blank=True, help_text='Events accepted in a calendar month (UTC); empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000000000)])),
                ('publish_rate', models.PositiveIntegerField(blank=True, help_text='Events per second; those of one second may arrive at once. Empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000000)])),
                ('max_endpoints', models.PositiveIntegerField(blank=True, default=10000, help_text='Number of endpoints that a tenant may have; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000)])),
                ('endpoint_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), blank=True, help_text='Types of endpoints that a tenant may create, such as `http` and `sqs`; empty: all of them.', null=True, size=None)),
                ('max_subscriptions', models.PositiveIntegerField(blank=True, default=10000, help_text='Number of subscriptions that a tenant may have; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000)])),
                ('max_subscription_bytes', models.PositiveIntegerField(blank=True, default=33554432, help_text='Bytes of the patterns and transformers of all subscriptions of a tenant, and 512 for each event type that one names; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1073741824)])),
                ('max_sources', models.PositiveIntegerField(blank=True, default=1000, help_text='Number of sources that a tenant may have; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(1000000)])),
                ('max_schedules', models.PositiveIntegerField(blank=True, default=10000, help_text='Number of schedules that a tenant may have; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10000000)])),
                ('min_schedule_interval_seconds', models.PositiveIntegerField(blank=True, help_text='Shortest time between two occurrences of a schedule, in seconds; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(60), django.core.validators.MaxValueValidator(2678400)])),
                ('max_event_bytes', models.PositiveIntegerField(blank=True, help_text='Size of one published event in bytes; empty: only the limit of the platform.', null=True, validators=[django.core.validators.MinValueValidator(256), django.core.validators.MaxValueValidator(1073741824)])),
                ('max_retention_days', models.PositiveSmallIntegerField(blank=True, help_text='Longest retention that a tenant may choose, in days; empty: no limit.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)])),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was last changed.')),
            ],
        ),
        migrations.CreateModel(
            name='PortalLink',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('session_digest', models.BinaryField(max_length=32, null=True, unique=True)),
                ('capabilities', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('view', 'Look at everything'), ('manage', 'Manage'), ('replay', 'Replay'), ('secrets', 'Secrets'), ('payloads', 'Payloads')], max_length=16), help_text='What the session allows.', size=None)),
                ('theme', models.JSONField(default=dict, help_text='How the pages look.')),
                ('language', models.CharField(blank=True, help_text="Language of the pages; empty: the browser's.", max_length=8)),
                ('user', models.CharField(blank=True, help_text='Who the link is for, as activities name it: an id or an e-mail address.', max_length=256)),
                ('return_url', models.CharField(blank=True, help_text='Where the pages lead back to, on your own site.', max_length=2048)),
                ('created_by', models.CharField(help_text='First characters and name of the key that created it.', max_length=320)),
                ('expires_at', models.DateTimeField(help_text='When the link can no longer be opened.')),
                ('session_seconds', models.PositiveIntegerField(help_text='Seconds that the session lasts once it is opened.')),
                ('opened_at', models.DateTimeField(help_text='When the link was opened; null: it was not.', null=True)),
                ('opened_from', models.CharField(blank=True, help_text='IP address that opened it.', max_length=45)),
                ('session_expires_at', models.DateTimeField(help_text='When the session ends; null: there is none yet.', null=True)),
                ('last_used_at', models.DateTimeField(help_text='When the session was last used, to the minute.', null=True)),
                ('revoked_at', models.DateTimeField(help_text='When link and session were revoked; null: they were not.', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='SigningSecret',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('ciphertext', models.BinaryField()),
                ('public_key', models.CharField(blank=True, default='', editable=False, help_text='Public key of an ed25519 key pair (v1a), as whpk_ text; empty for v1.', max_length=64)),
                ('expires_at', models.DateTimeField(blank=True, help_text='When it stops signing; null: current secret.', null=True)),
            ],
        ),
        migrations.CreateModel(
            name='StoredResponse',
            fields=[
                ('request_id', models.BinaryField(help_text="SHA-256 of the key, the path, and the caller's tenant and scopes.", max_length=32, primary_key=True, serialize=False)),
                ('content_digest', models.BinaryField(help_text="SHA-256 of the request's content.", max_length=32)),
                ('status', models.PositiveSmallIntegerField()),
                ('ciphertext', models.BinaryField(help_text='Encrypted headers and body, which may hold a secret.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('uid', models.CharField(blank=True, max_length=256, null=True, validators=[django.core.validators.RegexValidator('\\A[A-Za-z0-9._-]{1,256}\\Z', 'A uid is 1 to 256 letters, digits, hyphens, underscores and full stops.')], verbose_name='external ID')),
                ('endpoint_labels', models.JSONField(blank=True, help_text='In place of an endpoint: all endpoints of the tenant that have these labels.', null=True)),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=256), default=list, help_text='Exact names, order.* for every type below order, or * for all types.', size=None)),
                ('pattern', models.JSONField(blank=True, help_text='Event pattern that the event must match; null: any.', null=True)),
                ('transformer', models.JSONField(blank=True, help_text='How the body is made: input_paths and template, or jsonata; null: the whole event.', null=True)),
                ('description', models.CharField(blank=True, help_text='Free text for people.', max_length=1024)),
                ('active', models.BooleanField(default=True, help_text='Whether the subscription matches events.')),
                ('size', models.GeneratedField(db_persist=True, expression=django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.functions.comparison.Coalesce(models.Func(django.db.models.functions.comparison.Cast('pattern', models.TextField()), function='octet_length', output_field=models.IntegerField()), 0), '+', django.db.models.functions.comparison.Coalesce(models.Func(django.db.models.functions.comparison.Cast('transformer', models.TextField()), function='octet_length', output_field=models.IntegerField()), 0)), '+', django.db.models.expressions.CombinedExpression(models.Value(512), '*', models.Func('event_types', function='cardinality', output_field=models.IntegerField()))), help_text='What the subscription counts in the limit of a plan on bytes.', output_field=models.IntegerField())),
                ('updated_at', models.DateTimeField(auto_now=True, help_text='When it was last changed.')),
            ],
        ),
        migrations.CreateModel(
            name='DestinationSettings',
            fields=[
                ('endpoint', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='destination', serialize=False, to='subscriptions.endpoint')),
                ('settings', models.JSONField(blank=True, default=dict, help_text='Settings of the type, credentials excepted.')),
                ('address', models.CharField(blank=True, default='', editable=False, help_text='Where deliveries go, without credentials.', max_length=2048)),
                ('ciphertext', models.BinaryField(help_text='Encrypted: the credentials.', null=True)),
                ('settings_changed_at', models.DateTimeField(editable=False, help_text='When settings or credentials last changed.', null=True)),
            ],
            options={
                'verbose_name_plural': 'destination settings',
            },
        ),
        migrations.CreateModel(
            name='HttpSettings',
            fields=[
                ('endpoint', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='http', serialize=False, to='subscriptions.endpoint')),
                ('url', models.CharField(help_text='Address that receives the deliveries.', max_length=2048, verbose_name='URL')),
                ('origin', models.CharField(default='', editable=False, help_text='Scheme, host and port of the URL.', max_length=300)),
                ('url_changed_at', models.DateTimeField(editable=False, help_text='When the URL last changed.', null=True)),
                ('credentials_changed_at', models.DateTimeField(editable=False, help_text='When headers, authentication or TLS last changed.', null=True)),
                ('content_mode_changed_at', models.DateTimeField(editable=False, help_text='When the content mode last changed.', null=True)),
                ('verification', models.CharField(choices=[('unverified', 'Unverified'), ('requested', 'Requested'), ('verified', 'Verified')], default='unverified', editable=False, help_text='Whether the endpoint has confirmed that it wants deliveries.', max_length=10)),
                ('verified_at', models.DateTimeField(editable=False, help_text='When the endpoint confirmed.', null=True)),
                ('verification_key_digest', models.BinaryField(max_length=32, null=True, unique=True)),
                ('verification_requested_at', models.DateTimeField(editable=False, null=True)),
                ('headers', models.JSONField(blank=True, default=dict, help_text='Names of the custom headers; the values are encrypted.')),
                ('auth', models.JSONField(blank=True, default=dict, help_text='Authentication without its secrets.', verbose_name='authentication (secrets hidden)')),
                ('tls', models.JSONField(blank=True, default=dict, help_text='Subject and expiry of the client certificate and certificate authority.', verbose_name='TLS')),
                ('ciphertext', models.BinaryField(help_text='Encrypted: headers, auth and tls in full.', null=True)),
                ('content_mode', models.CharField(choices=[('structured', 'Structured: the CloudEvent as JSON'), ('binary', 'Binary: data in the body, attributes in headers'), ('reference', 'Reference: the CloudEvent as JSON with a link to its data')], default='structured', help_text='How the CloudEvent is sent.', max_length=10)),
                ('reference_above_bytes', models.PositiveIntegerField(blank=True, help_text='Size of the data in bytes above which a link is sent instead, in any content mode; null: never.', null=True, verbose_name='send link instead of payload above (bytes)')),
                ('failure_pattern', models.JSONField(blank=True, help_text='Event pattern on the JSON body of a 2xx response that says that the delivery failed; null: none.', null=True)),
                ('connector', models.CharField(blank=True, default='', editable=False, help_text='Name of the connector that the endpoint was created from; empty: none.', max_length=64)),
            ],
            options={
                'verbose_name_plural': 'HTTP settings',
            },
        ),
        migrations.CreateModel(
            name='OAuthToken',
            fields=[
                ('endpoint', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='token', serialize=False, to='subscriptions.endpoint')),
                ('ciphertext', models.BinaryField()),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name='EventSchema',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(help_text='Number of the version, from 1.')),
                ('text', models.TextField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('event_type', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='schemas', to='subscriptions.eventtype')),
            ],
            options={
                'ordering': ['version'],
            },
        ),
        migrations.CreateModel(
            name='InspectedRequest',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('received_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When it was received.')),
                ('method', models.CharField(help_text='HTTP method.', max_length=32)),
                ('path', models.CharField(help_text='Path and query.', max_length=2048)),
                ('headers', models.JSONField(help_text='Headers by name in lower case. Values that may hold credentials are `[removed]`.')),
                ('body', models.BinaryField()),
                ('body_bytes', models.PositiveIntegerField(help_text='Size of the whole body in bytes.')),
                ('response_status', models.PositiveSmallIntegerField(help_text='HTTP status of the response.')),
                ('is_verified', models.BooleanField(help_text='Whether the signature is that of an endpoint of the tenant with this address; null: there is none.', null=True)),
                ('verification', models.CharField(help_text='Why the signature is valid or not, in words.', max_length=256)),
                ('endpoint', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='subscriptions.endpoint')),
                ('inspector', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='requests', to='subscriptions.inspector')),
            ],
        ),
        migrations.CreateModel(
            name='MaskingSecret',
            fields=[
                ('tenant', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='subscriptions.tenant')),
                ('ciphertext', models.BinaryField()),
                ('rotations', models.JSONField(default=dict, editable=False, help_text='Times of the rotations of each key, by name.')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
        ),
        migrations.AddField(
            model_name='inspector',
            name='tenant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='inspectors', to='subscriptions.tenant'),
        ),
        migrations.CreateModel(
            name='Grant',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('event_types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=256), help_text='Exact names, order.* for every type below order, or * for all types.', size=None)),
                ('pattern', models.JSONField(blank=True, help_text='Event pattern that the event must match; null: any.', null=True)),
                ('description', models.CharField(blank=True, help_text='Free text for people.', max_length=1024)),
                ('ended_at', models.DateTimeField(blank=True, editable=False, help_text='When it ended; null: it applies.', null=True)),
                ('updated_at', models.DateTimeField(auto_now=True, help_text='When it was last changed.')),
                ('grantee', models.ForeignKey(db_index=False, help_text='Tenant that may subscribe.', on_delete=django.db.models.deletion.CASCADE, related_name='received_grants', to='subscriptions.tenant')),
                ('tenant', models.ForeignKey(db_index=False, help_text='Owner of the events.', on_delete=django.db.models.deletion.CASCADE, related_name='grants', to='subscriptions.tenant')),
            ],
        ),
        migrations.AddField(
            model_name='eventtype',
            name='tenant',
            field=models.ForeignKey(blank=True, db_index=False, help_text='Empty: a type of the deployment, for all tenants.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='event_types', to='subscriptions.tenant'),
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
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('name', models.CharField(blank=True, help_text='What the key is for.', max_length=256)),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('key_prefix', models.CharField(editable=False, help_text='First characters of the key, to tell keys apart.', max_length=16)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=[('publish', 'Publish events'), ('manage', 'Manage'), ('read', 'Read'), ('consume', 'Pull and acknowledge messages')], max_length=16), default=list, size=None)),
                ('expires_at', models.DateTimeField(blank=True, help_text='When the key stops working; null: never.', null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, help_text='When the key was revoked.', null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, help_text='When the key was last used, to the minute.', null=True)),
                ('endpoint', models.ForeignKey(blank=True, db_constraint=False, help_text='The only endpoint that the key may read or change; empty: all of the tenant.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to='subscriptions.endpoint')),
                ('tenant', models.ForeignKey(blank=True, help_text='Empty: a platform key, for every tenant.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='api_keys', to='subscriptions.tenant')),
            ],
            options={
                'verbose_name': 'API key',
            },
        ),
        migrations.AddField(
            model_name='tenant',
            name='plan',
            field=models.ForeignKey(blank=True, help_text='Limits of the tenant; empty: the default plan.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tenants', to='subscriptions.plan'),
        ),
        migrations.AddConstraint(
            model_name='plan',
            constraint=models.UniqueConstraint(condition=models.Q(('is_default', True)), fields=('is_default',), name='unique_default_plan'),
        ),
        migrations.AddField(
            model_name='portallink',
            name='endpoint',
            field=models.ForeignKey(db_constraint=False, help_text='The only endpoint that the session may see; null: all of the tenant.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='portal_links', to='subscriptions.endpoint'),
        ),
        migrations.AddField(
            model_name='portallink',
            name='tenant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='portal_links', to='subscriptions.tenant'),
        ),
        migrations.AddField(
            model_name='signingsecret',
            name='endpoint',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secrets', to='subscriptions.endpoint'),
        ),
        migrations.AddIndex(
            model_name='storedresponse',
            index=models.Index(fields=['created_at'], name='stored_response_by_age'),
        ),
        migrations.AddField(
            model_name='subscription',
            name='endpoint',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='subscriptions', to='subscriptions.endpoint'),
        ),
        migrations.AddField(
            model_name='subscription',
            name='grant',
            field=models.ForeignKey(blank=True, db_index=False, help_text='Grant of another tenant whose events it receives, in place of those of its own tenant.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='subscriptions', to='subscriptions.grant'),
        ),
        migrations.AddField(
            model_name='subscription',
            name='tenant',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='subscriptions', to='subscriptions.tenant'),
        ),
        migrations.AddIndex(
            model_name='httpsettings',
            index=models.Index(fields=['origin'], name='http_settings_by_origin'),
        ),
        migrations.AddIndex(
            model_name='httpsettings',
            index=models.Index(condition=models.Q(('tls', {}), _negated=True), fields=['endpoint'], name='http_settings_with_tls'),
        ),
        migrations.AddConstraint(
            model_name='eventschema',
            constraint=models.UniqueConstraint(fields=('event_type', 'version'), name='unique_schema_version_per_event_type'),
        ),
        migrations.AddIndex(
            model_name='inspectedrequest',
            index=models.Index(fields=['inspector', 'id'], name='inspected_request_order'),
        ),
        migrations.AddIndex(
            model_name='inspector',
            index=models.Index(fields=['tenant', 'id'], name='inspector_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='inspector',
            index=models.Index(fields=['expires_at'], name='inspector_by_expiry'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['tenant', 'id'], name='grant_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['grantee', 'id'], name='grant_by_grantee'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(condition=models.Q(('ended_at', None)), fields=['tenant'], name='grant_in_force'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('tenant', models.F('grantee')), _negated=True), name='grant_to_another_tenant'),
        ),
        migrations.AddIndex(
            model_name='eventtype',
            index=models.Index(fields=['name'], name='event_type_by_name'),
        ),
        migrations.AddConstraint(
            model_name='eventtype',
            constraint=models.UniqueConstraint(fields=('tenant', 'name'), name='unique_event_type_name_per_tenant', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(fields=['tenant', 'id'], name='endpoint_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(condition=models.Q(('deleted_at', None), ('state', 'disabled')), fields=['state_changed_at'], name='endpoint_disabled'),
        ),
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(condition=models.Q(('deleted_at', None), ('expires_at__isnull', False)), fields=['expires_at'], name='endpoint_expires'),
        ),
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(condition=models.Q(('on_success__isnull', False)), fields=['on_success'], name='endpoint_on_success'),
        ),
        migrations.AddIndex(
            model_name='endpoint',
            index=models.Index(condition=models.Q(('on_failure__isnull', False)), fields=['on_failure'], name='endpoint_on_failure'),
        ),
        migrations.AddConstraint(
            model_name='endpoint',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at', None)), fields=('tenant', 'uid'), name='unique_endpoint_uid_per_tenant'),
        ),
        migrations.AddIndex(
            model_name='apikey',
            index=models.Index(condition=models.Q(('expires_at__isnull', False), ('revoked_at', None)), fields=['expires_at'], name='api_key_by_expiry'),
        ),
        migrations.AddIndex(
            model_name='tenant',
            index=django.contrib.postgres.indexes.GinIndex(fields=['labels'], name='tenant_by_label', opclasses=['jsonb_path_ops']),
        ),
        migrations.AddConstraint(
            model_name='tenant',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at', None), ('is_platform', True)), fields=('is_platform',), name='unique_platform_tenant'),
        ),
        migrations.AddIndex(
            model_name='portallink',
            index=models.Index(fields=['tenant', 'id'], name='portal_link_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='portallink',
            index=models.Index(fields=['expires_at'], name='portal_link_by_expiry'),
        ),
        migrations.AddConstraint(
            model_name='signingsecret',
            constraint=models.UniqueConstraint(condition=models.Q(('expires_at', None)), fields=('endpoint',), name='unique_current_secret_per_endpoint'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(fields=['tenant', 'id'], include=('size',), name='subscription_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('endpoint', None)), fields=['tenant'], name='subscription_by_label'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('active', True), ('event_types__overlap', ['waypost.*', 'waypost.alert.*', 'waypost.alert.firing', 'waypost.alert.resolved', 'waypost.delivery.*', 'waypost.delivery.dead', 'waypost.endpoint.*', 'waypost.endpoint.disabled', 'waypost.endpoint.failing', 'waypost.endpoint.recovered', 'waypost.endpoint.rejecting', 'waypost.source.*', 'waypost.source.failing', 'waypost.source.recovered', 'waypost.delivery.failed', 'waypost.delivery.succeeded', 'waypost.receipt.failed', 'waypost.receipt.processed'])), fields=['tenant'], name='subscription_operational'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('active', True), ('grant__isnull', False)), fields=['grant'], name='subscription_by_grant'),
        ),
        migrations.AddIndex(
            model_name='subscription',
            index=models.Index(condition=models.Q(('active', True), ('event_types__contains', ['waypost.delivery.succeeded'])), fields=['tenant'], name='subscription_to_successes'),
        ),
        migrations.AddConstraint(
            model_name='subscription',
            constraint=models.UniqueConstraint(fields=('tenant', 'uid'), name='unique_subscription_uid_per_tenant'),
        ),
        migrations.AddConstraint(
            model_name='subscription',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('endpoint__isnull', False), ('endpoint_labels__isnull', True)), models.Q(('endpoint__isnull', True), ('endpoint_labels__isnull', False)), _connector='OR'), name='subscription_to_endpoint_or_labels'),
        ),
        migrations.RunSQL(
            (Path(__file__).parent / "versions.sql").read_text(), (Path(__file__).parent / "versions_reverse.sql").read_text()
        ),
        migrations.RunSQL(
            (Path(__file__).parent / "audit.sql").read_text(), (Path(__file__).parent / "audit_reverse.sql").read_text()
        ),
    ]
