import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
import webhooks.wire.ids
from pathlib import Path

from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('subscriptions', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='LoadMinute',
            fields=[
                ('begins_at', models.DateTimeField(primary_key=True, serialize=False)),
                ('drains', models.PositiveIntegerField(help_text='Drains that had reported within the last seconds.')),
                ('used', models.FloatField(help_text="Part of the drains' capacity in use, from 0 to 1, averaged over the drains.")),
                ('waiting', models.FloatField(help_text='Part of their time in which they waited for the database, from 0 to 1.')),
                ('machine_cpu', models.FloatField(help_text='The same of the processors of the busiest machine.')),
                ('published_per_second', models.FloatField()),
                ('settled_per_second', models.FloatField()),
                ('due', models.PositiveIntegerField(help_text='Deliveries due, counted up to a bound.')),
                ('seconds_behind', models.FloatField(help_text='How long the oldest of those had waited for a drain.')),
            ],
        ),
        migrations.CreateModel(
            name='UsageIncrement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tenant_id', models.UUIDField()),
                ('day', models.DateField()),
                ('type', models.TextField()),
                ('events', models.IntegerField()),
                ('deliveries', models.IntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='Broadcast',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('state', models.CharField(choices=[('running', 'Running'), ('finished', 'Finished'), ('cancelled', 'Cancelled')], default='running', help_text='Progress of the broadcast.', max_length=9)),
                ('labels', models.JSONField(default=dict, help_text='Labels of the tenants that get the event, all of them; empty: all tenants.')),
                ('source', models.CharField(help_text='Source of the event.', max_length=1024)),
                ('event_id', models.CharField(help_text="The CloudEvent's own id, the same for every tenant.", max_length=512)),
                ('type', models.CharField(help_text='Type of the event.', max_length=256)),
                ('body', models.BinaryField()),
                ('rate', models.PositiveIntegerField(default=100, help_text='Tenants per second, at most.')),
                ('total', models.PositiveIntegerField(default=0, help_text='Tenants that matched when it was created.')),
                ('published', models.PositiveIntegerField(default=0, help_text='Tenants for which the event was published so far.')),
                ('failed', models.PositiveIntegerField(default=0, help_text='Tenants whose event was not accepted.')),
                ('last_error', models.CharField(blank=True, help_text='Why the latest of these was not accepted.', max_length=1024)),
                ('cursor', models.UUIDField(editable=False, help_text='The last tenant of the last slice.', null=True)),
                ('until_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='Tenants that were created later are not part of it.')),
                ('sliced_at', models.DateTimeField(editable=False, help_text='The time up to which the rate is used.', null=True)),
                ('requested_by', models.CharField(help_text='The API key that requested it.', max_length=256)),
                ('finished_at', models.DateTimeField(help_text='When it finished or was cancelled.', null=True)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'running')), fields=['id'], name='broadcast_running')],
            },
        ),
        migrations.CreateModel(
            name='DrainReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('machine', models.CharField(help_text='Host name of the machine or container.', max_length=255)),
                ('pid', models.PositiveIntegerField()),
                ('reported_at', models.DateTimeField()),
                ('cpu', models.FloatField(help_text='Processor time of the process, in processors: 1 is one of them.')),
                ('machine_cpu', models.FloatField(help_text="Part of the machine's processors in use by any process, over about a minute, from 0 to 1.")),
                ('started_at', models.DateTimeField(help_text='When the drain started; a process runs one after the other.')),
                ('load', models.FloatField(help_text='Part of the time spent in turns, from 0 to 1.')),
                ('minute_load', models.FloatField(help_text='The same, averaged over about a minute.')),
                ('waiting', models.FloatField(help_text='Part of the time spent in turns without using the processor, from 0 to 1.')),
                ('turn_size', models.FloatField(help_text='Attempts started and ended in a turn, on average.')),
                ('in_flight', models.PositiveIntegerField(help_text='Attempts in flight.')),
                ('max_in_flight', models.PositiveIntegerField(help_text='Attempts that may be in flight.')),
                ('held', models.PositiveIntegerField(help_text='Deliveries claimed ahead that are not sent yet.')),
                ('lanes', models.PositiveIntegerField(help_text='Leased lanes.')),
                ('claimed_per_second', models.FloatField()),
                ('settled_per_second', models.FloatField()),
            ],
            options={
                'verbose_name_plural': 'capacity',
                'constraints': [models.UniqueConstraint(fields=('machine', 'pid'), name='unique_drain_report_per_process')],
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('source', models.TextField(help_text='Source of the CloudEvent.')),
                ('event_id', models.TextField(help_text="The CloudEvent's own id; unique together with the source.")),
                ('type', models.TextField(help_text='Type of the event, such as order.paid.')),
                ('subject', models.TextField(blank=True, help_text="What the event is about, such as an order's id.", null=True)),
                ('digest', models.BinaryField(help_text='SHA-256 of the published content, to tell a repeat from a conflict.')),
                ('body', models.BinaryField()),
                ('payload_deleted_at', models.DateTimeField(help_text='When the data was erased; empty: it was not.', null=True)),
                ('payload_deleted_by', models.TextField(null=True)),
                ('warnings', models.JSONField(help_text="Violations of the event type's schema; empty: none.", null=True)),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='events', to='subscriptions.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='DeferredFanOut',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('steps', 'Matching and rendering it takes more steps than one event may take in a request'), ('deliveries', 'It has more deliveries than one request may create'), ('bytes', 'Its rendered bodies have more bytes than one request may render'), ('rate', 'The tenant has used its routing steps of this second'), ('order', 'An ordered endpoint receives it, and an earlier event of the tenant is not routed yet'), ('operational', 'It is an event of the platform itself, which is always routed by a worker')], max_length=11)),
                ('is_ordered', models.BooleanField(help_text='Later events for ordered endpoints of the tenant wait for it.')),
                ('cursor', models.UUIDField(help_text='The last subscription that is done; empty: none.', null=True)),
                ('token', models.UUIDField(help_text="Token of the worker's claim; storing a slice requires it.", null=True)),
                ('claimed_until', models.DateTimeField(help_text='When the claim ends, or when a failed slice is retried.', null=True)),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='subscriptions.tenant')),
                ('event', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='deferred_fan_out', to='delivery.event')),
            ],
        ),
        migrations.CreateModel(
            name='HourlyStats',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('begins_at', models.DateTimeField()),
                ('attempts', models.PositiveIntegerField()),
                ('delivered', models.PositiveIntegerField()),
                ('rejected', models.PositiveIntegerField(default=0)),
                ('latencies', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), help_text='Histogram of durations; bounds: sending.attempt_stats.BOUNDS.', size=None)),
                ('last_error', models.CharField(blank=True, max_length=20)),
                ('last_status', models.PositiveSmallIntegerField(null=True)),
                ('last_failed_at', models.DateTimeField(null=True)),
                ('endpoint', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='hourly_stats', to='subscriptions.endpoint')),
            ],
            options={
                'verbose_name_plural': 'hourly stats',
            },
        ),
        migrations.CreateModel(
            name='Lane',
            fields=[
                ('endpoint', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='lane', serialize=False, to='subscriptions.endpoint')),
                ('due_at', models.DateTimeField(null=True)),
                ('owner', models.UUIDField(help_text='The drain that leases it.', null=True)),
                ('publishers_claim', models.BooleanField(db_default=False, help_text='Publishing an event claims its delivery for the owner, which sends it at once.')),
                ('endpoint_inactive', models.BooleanField(default=False, help_text='It has pending deliveries, but its endpoint is paused or disabled.')),
                ('low_water_mark', models.DateTimeField(help_text='No pending delivery is due before it.', null=True)),
                ('next_slot_at', models.DateTimeField(help_text='Clock of the rate limit (GCRA): when the next attempt may start.', null=True)),
                ('concurrency', models.PositiveSmallIntegerField(help_text='Attempts the endpoint can take at once, as measured; empty: not measured yet.', null=True)),
                ('failures', models.PositiveIntegerField(default=0, help_text='Failed attempts in a row.')),
                ('failing_since', models.DateTimeField(help_text='When the first of them failed.', null=True)),
                ('open_count', models.PositiveSmallIntegerField(default=0, help_text='Times the circuit breaker opened since the last success.')),
                ('circuit_open_until', models.DateTimeField(help_text='The circuit breaker is open until then; then one attempt probes the endpoint.', null=True)),
                ('wait_until', models.DateTimeField(help_text='Nothing is sent before, as the endpoint asked with Retry-After; empty: it did not.', null=True)),
                ('wait_since', models.DateTimeField(help_text='When it asked for that.', null=True)),
                ('wait_status', models.PositiveSmallIntegerField(help_text='HTTP status of that response.', null=True)),
                ('failing_days', models.PositiveSmallIntegerField(default=0, help_text='Failures that came a day or more after the one counted before, since failing_since.')),
                ('failing_day_at', models.DateTimeField(help_text='When the latest of these failed, or the first failure.', null=True)),
                ('warnings_sent', models.PositiveSmallIntegerField(default=0, help_text='Warnings about the failures that were published so far.')),
                ('warned_at', models.DateTimeField(help_text='When the latest of them was published.', null=True)),
                ('rejecting_since', models.DateTimeField(help_text='Since when the endpoint rejects most deliveries; empty: it does not.', null=True)),
                ('rejecting_warned_at', models.DateTimeField(help_text='When that was last published.', null=True)),
                ('recovering_since', models.DateTimeField(help_text='Retries of attempts since then are being made due, as the endpoint works again; empty: no.', null=True)),
                ('recovered_until', models.DateTimeField(help_text='Retries of attempts up to then were made due, or are being made due.', null=True)),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='subscriptions.tenant')),
            ],
            options={
                'verbose_name': 'queue',
            },
        ),
        migrations.CreateModel(
            name='PublisherReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('machine', models.CharField(help_text='Host name of the machine or container.', max_length=255)),
                ('pid', models.PositiveIntegerField()),
                ('reported_at', models.DateTimeField()),
                ('cpu', models.FloatField(help_text='Processor time of the process, in processors: 1 is one of them.')),
                ('machine_cpu', models.FloatField(help_text="Part of the machine's processors in use by any process, over about a minute, from 0 to 1.")),
                ('requests_per_second', models.FloatField()),
                ('max_waiting', models.PositiveIntegerField(help_text='Most requests that waited for the next group.')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('machine', 'pid'), name='unique_publisher_report_per_process')],
            },
        ),
        migrations.CreateModel(
            name='Replay',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('state', models.CharField(choices=[('running', 'Running'), ('finished', 'Finished'), ('cancelled', 'Cancelled')], default='running', help_text='Progress of the replay.', max_length=9)),
                ('scope', models.CharField(choices=[('dead_letters', 'Open dead letters'), ('events', 'Past events, whatever the state of their deliveries'), ('missing', 'Past events that have no delivery to the endpoint')], default='dead_letters', help_text='What it selects.', max_length=12)),
                ('filter', models.JSONField(help_text='Conditions: endpoint, cause, type, source, subject, since, until, ids, force.')),
                ('rate', models.PositiveIntegerField(default=100, help_text='Deliveries re-queued per second, at most.')),
                ('total', models.PositiveIntegerField(default=0, help_text='Deliveries that matched when it was created.')),
                ('estimated', models.BooleanField(default=False, help_text='The total is extrapolated from the first events.')),
                ('replayed', models.PositiveIntegerField(default=0, help_text='Deliveries re-queued so far.')),
                ('cursor', models.UUIDField(editable=False, help_text='The last row that a slice looked at.', null=True)),
                ('route_cursor', models.UUIDField(editable=False, help_text='The last subscription done of the event at the cursor; empty: all are.', null=True)),
                ('until_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='Rows that were created later are not part of it.')),
                ('sliced_at', models.DateTimeField(editable=False, help_text='The time up to which the rate is used; like Lane.next_slot_at.', null=True)),
                ('requested_by', models.CharField(help_text='The API key or the admin user.', max_length=256)),
                ('finished_at', models.DateTimeField(help_text='When it finished or was cancelled.', null=True)),
                ('tenant', models.ForeignKey(db_index=False, help_text='Empty: all tenants (operators only).', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='replays', to='subscriptions.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('sending', 'Sending'), ('delivered', 'Delivered'), ('dead', 'Dead'), ('cancelled', 'Cancelled')], default='pending', help_text='Pending and sending are unfinished.', max_length=9)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When the next attempt is due; empty when finished.', null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, help_text='Attempts made, including those before replays.')),
                ('step', models.PositiveSmallIntegerField(default=0, help_text='Position in the retry plan; a replay starts from the beginning.')),
                ('claims', models.PositiveSmallIntegerField(default=0, help_text='Claims since an attempt was last settled.')),
                ('token', models.UUIDField(help_text='Token of the current claim; settling requires it.', null=True)),
                ('claimed_until', models.DateTimeField(help_text='When the claim expires and the delivery is recovered.', null=True)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When it was created or last replayed. Retention and replays compare it.')),
                ('last_status', models.PositiveSmallIntegerField(help_text='HTTP status of the latest attempt; empty: no response.', null=True)),
                ('last_error', models.CharField(blank=True, default='', help_text='Class of the latest failure, such as timeout; empty: none.', max_length=20)),
                ('order_key', models.TextField(help_text='Deliveries with the same key are sent one after the other; empty: in any order.', null=True)),
                ('body', models.BinaryField(help_text="Its own body (transformed, or a reference); empty: the event's body is sent.", null=True)),
                ('content_type', models.TextField(help_text='Content type of its own body; empty: it follows from the body.', null=True)),
                ('cancelled_at', models.DateTimeField(help_text='When it was cancelled.', null=True)),
                ('cancelled_by', models.TextField(help_text='The API key or the admin user that cancelled it.', null=True)),
                ('endpoint', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='subscriptions.endpoint')),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='subscriptions.tenant')),
                ('event', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='delivery.event')),
                ('replay', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='deliveries', to='delivery.replay')),
            ],
            options={
                'verbose_name_plural': 'deliveries',
            },
        ),
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('cause', models.CharField(choices=[('exhausted', 'Retries exhausted'), ('responded_410', 'The endpoint responded 410 Gone'), ('expired', 'Expired: the endpoint was paused or disabled for seven days'), ('crashed_worker', 'Crashed its worker repeatedly'), ('transformation_failed', 'Transformation failed'), ('endpoint_deleted', 'The endpoint was deleted'), ('set_aside', 'Set aside on request')], help_text='Why the delivery failed permanently.', max_length=24)),
                ('reason', models.TextField(blank=True, help_text='Details of the cause, if there are any.')),
                ('last_status', models.PositiveSmallIntegerField(help_text='HTTP status of the latest attempt; empty: no response.', null=True)),
                ('last_error', models.CharField(blank=True, default='', help_text='Class of the latest failure, such as timeout; empty: none.', max_length=20)),
                ('attempts', models.PositiveSmallIntegerField()),
                ('failed_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When the delivery failed permanently.')),
                ('replayed_at', models.DateTimeField(help_text='When it was sent again; empty: not yet.', null=True)),
                ('replayed_by', models.CharField(blank=True, default='', help_text='The API key or the admin user that replayed it.', max_length=256)),
                ('endpoint', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='dead_letters', to='subscriptions.endpoint')),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='dead_letters', to='subscriptions.tenant')),
                ('delivery', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='dead_letters', to='delivery.delivery')),
                ('replay', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='dead_letters', to='delivery.replay')),
            ],
        ),
        migrations.CreateModel(
            name='Usage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tenant_id', models.UUIDField()),
                ('day', models.DateField()),
                ('type', models.TextField()),
                ('events', models.BigIntegerField()),
                ('deliveries', models.BigIntegerField()),
            ],
            options={
                'verbose_name_plural': 'usage',
                'indexes': [models.Index(fields=['day'], name='usage_by_day')],
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'day', 'type'), name='unique_usage_per_tenant_day_and_type')],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('number', models.PositiveSmallIntegerField(help_text='Number of the attempt, from 1.')),
                ('started_at', models.DateTimeField(help_text='When the attempt started.')),
                ('duration_ms', models.PositiveIntegerField(help_text='Milliseconds from its start to its end.')),
                ('status', models.PositiveSmallIntegerField(help_text='HTTP status; empty: no response.', null=True)),
                ('error', models.CharField(blank=True, help_text='Class of the failure, such as timeout; empty: delivered.', max_length=20)),
                ('response', models.BinaryField(help_text='The first 16 KiB of the response body.', null=True)),
                ('response_headers', models.BinaryField(help_text="Lines of the response's headers, up to 2 KiB, with credentials masked; empty: none.", null=True)),
                ('repeats', models.TextField(help_text='Why its request was sent again; empty: it was sent once.', null=True)),
                ('delivery', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='history', to='delivery.delivery')),
            ],
            options={
                'indexes': [models.Index(fields=['delivery', 'id'], name='attempt_by_delivery')],
            },
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['tenant', 'id'], name='event_by_tenant'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.UniqueConstraint(fields=('tenant', 'event_id', 'source'), name='unique_event_id_per_tenant_and_source'),
        ),
        migrations.AddIndex(
            model_name='deferredfanout',
            index=models.Index(fields=['tenant', 'id'], name='fan_out_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='deferredfanout',
            index=models.Index(condition=models.Q(('is_ordered', True)), fields=['tenant'], name='fan_out_ordered'),
        ),
        migrations.AddIndex(
            model_name='deferredfanout',
            index=models.Index(condition=models.Q(('token__isnull', False)), fields=['claimed_until'], name='fan_out_claimed'),
        ),
        migrations.AddIndex(
            model_name='hourlystats',
            index=models.Index(fields=['begins_at'], name='hourly_stats_by_hour'),
        ),
        migrations.AddConstraint(
            model_name='hourlystats',
            constraint=models.UniqueConstraint(fields=('endpoint', 'begins_at'), name='unique_hour_per_endpoint'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='lane_due'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['tenant', 'due_at'], name='lane_due_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('endpoint_inactive', True)), fields=['endpoint'], name='lane_endpoint_inactive'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('failing_since__isnull', False), ('wait_since__isnull', False), _connector='OR'), fields=['endpoint'], name='lane_failing'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('rejecting_since__isnull', False)), fields=['endpoint'], name='lane_rejecting'),
        ),
        migrations.AddIndex(
            model_name='replay',
            index=models.Index(fields=['tenant', 'id'], name='replay_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='replay',
            index=models.Index(condition=models.Q(('state', 'running')), fields=['id'], name='replay_running'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['endpoint', 'next_attempt_at'], name='delivery_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('order_key__isnull', False), ('state__in', ['pending', 'sending'])), fields=['endpoint', 'order_key', 'created_at', 'id'], name='delivery_by_order_key'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'sending')), fields=['claimed_until'], name='delivery_claimed'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['tenant', 'id'], name='delivery_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['endpoint', 'id'], name='delivery_by_endpoint'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state__in', ['dead', 'cancelled'])), fields=['tenant', 'state', 'id'], name='delivery_stopped_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state__in', ['dead', 'cancelled'])), fields=['endpoint', 'state', 'id'], name='delivery_stopped_by_endpoint'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('replay__isnull', False)), fields=['replay', 'state'], name='delivery_by_replay'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('event', 'endpoint'), name='unique_delivery_per_event_and_endpoint'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(fields=['tenant', 'id'], name='dead_letter_by_tenant'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(fields=['endpoint', 'id'], name='dead_letter_by_endpoint'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(fields=['delivery', 'id'], name='dead_letter_by_delivery'),
        ),
        migrations.AddConstraint(
            model_name='deadletter',
            constraint=models.UniqueConstraint(condition=models.Q(('replayed_at', None)), fields=('delivery',), name='unique_open_dead_letter_per_delivery'),
        ),
        migrations.RunSQL((Path(__file__).parent / "storage.sql").read_text(), migrations.RunSQL.noop),
    ]
