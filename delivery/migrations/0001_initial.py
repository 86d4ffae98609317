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
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('tenant_id', models.UUIDField()),
                ('day', models.DateField()),
                ('type', models.TextField()),
                ('events', models.IntegerField()),
                ('deliveries', models.IntegerField()),
            ],
            options={
                'verbose_name_plural': 'tallies',
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('source', models.TextField()),
                ('event_id', models.TextField(help_text="The CloudEvent's own id; with the source it identifies the event.")),
                ('type', models.TextField()),
                ('subject', models.TextField(blank=True, null=True)),
                ('digest', models.BinaryField(help_text='SHA-256 of what the publisher gave, to tell a repeat from a conflict.')),
                ('body', models.BinaryField()),
                ('expunged_at', models.DateTimeField(help_text='Its data was removed then, for good.', null=True)),
                ('expunged_by', models.TextField(null=True)),
                ('warnings', models.JSONField(help_text='Where it does not fit the schema of its type; empty: it fits.', null=True)),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='events', to='subscriptions.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='Lane',
            fields=[
                ('endpoint', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='lane', serialize=False, to='subscriptions.endpoint')),
                ('due_at', models.DateTimeField(null=True)),
                ('owner', models.UUIDField(help_text='The drain that leases it.', null=True)),
                ('parked', models.BooleanField(default=False, help_text='Owed, but the endpoint is not active.')),
                ('floor_at', models.DateTimeField(help_text='Low-water mark: nothing pending is due before it.', null=True)),
                ('next_slot_at', models.DateTimeField(help_text="The rate limit's clock (GCRA): when the next may go.", null=True)),
                ('window', models.PositiveSmallIntegerField(help_text='Attempts it can take at once, as far as known.', null=True)),
                ('failures', models.PositiveIntegerField(default=0, help_text='Failed attempts in a row.')),
                ('failing_since', models.DateTimeField(help_text='The first of them.', null=True)),
                ('trips', models.PositiveSmallIntegerField(default=0, help_text='Times the breaker tripped since a success.')),
                ('tripped_until', models.DateTimeField(help_text='The breaker is open until then; then one probe goes.', null=True)),
                ('warned', models.PositiveSmallIntegerField(default=0, help_text='Steps of the ladder of warnings told so far.')),
                ('tenant', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='subscriptions.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='Replay',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('state', models.CharField(choices=[('running', 'Running'), ('finished', 'Finished'), ('cancelled', 'Cancelled')], default='running', max_length=9)),
                ('of', models.CharField(choices=[('dead_letters', 'Dead letters that are open'), ('events', 'Events of the past, whatever became of them'), ('missing', 'Events of the past that were never owed to the endpoint')], default='dead_letters', max_length=12)),
                ('filter', models.JSONField(help_text='Which of them: endpoint, cause, type, source, subject, since, until, ids.')),
                ('rate', models.PositiveIntegerField(default=100, help_text='Deliveries brought back per second, at most.')),
                ('total', models.PositiveIntegerField(default=0, help_text='Deliveries that matched when it was created.')),
                ('estimated', models.BooleanField(default=False, help_text='The total is carried forward from the first of many.')),
                ('replayed', models.PositiveIntegerField(default=0)),
                ('cursor', models.UUIDField(editable=False, help_text='The last row that was looked at.', null=True)),
                ('until_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='What came later is not part of it.')),
                ('sliced_at', models.DateTimeField(editable=False, help_text='Where it stands in time, by its rate.', null=True)),
                ('requested_by', models.CharField(help_text="The API key or the admin's user.", max_length=256)),
                ('finished_at', models.DateTimeField(null=True)),
                ('tenant', models.ForeignKey(db_index=False, help_text='Empty: over all tenants (operators).', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='replays', to='subscriptions.tenant')),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('state', models.CharField(choices=[('pending', 'Pending'), ('sending', 'Sending'), ('delivered', 'Delivered'), ('dead', 'Dead'), ('cancelled', 'Cancelled')], default='pending', max_length=9)),
                ('next_attempt_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Due; empty once finished.', null=True)),
                ('attempts', models.PositiveSmallIntegerField(default=0, help_text='Attempts made, over all replays.')),
                ('step', models.PositiveSmallIntegerField(default=0, help_text='How far along the retry plan; a replay starts anew.')),
                ('claims', models.PositiveSmallIntegerField(default=0, help_text='Claims since anything was last settled.')),
                ('token', models.UUIDField(help_text='Of the claim that is sending it; only its holder may settle.', null=True)),
                ('claimed_until', models.DateTimeField(help_text='After this the claim is void and the rescue frees it.', null=True)),
                ('started_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Start of the retry horizon.')),
                ('last_status', models.PositiveSmallIntegerField(null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=20)),
                ('order_key', models.TextField(help_text='Deliveries of one key go one after the other; empty: any time.', null=True)),
                ('body', models.BinaryField(help_text="Bytes of its own (a transformer's, or thin); empty: the event's.", null=True)),
                ('thin', models.BooleanField(db_default=False, help_text='Its own bytes are the event with a link instead of data.')),
                ('cancelled_at', models.DateTimeField(null=True)),
                ('cancelled_by', models.TextField(null=True)),
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
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('cause', models.CharField(choices=[('exhausted', 'Every retry of the plan failed'), ('gone', 'The endpoint answered 410 Gone'), ('expired', 'The horizon passed while it waited'), ('poison', 'Claimed several times, never settled'), ('unrenderable', 'Its transformer could not render the event'), ('endpoint_deleted', 'The endpoint was deleted'), ('parked', 'Set aside by hand, so that what is behind it could go on')], max_length=16)),
                ('reason', models.TextField(blank=True, help_text='In words, where the cause alone does not say it.')),
                ('last_status', models.PositiveSmallIntegerField(null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=20)),
                ('attempts', models.PositiveSmallIntegerField()),
                ('died_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('redriven_at', models.DateTimeField(null=True)),
                ('redriven_by', models.CharField(blank=True, default='', max_length=256)),
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
                'indexes': [models.Index(fields=['day'], name='usage_days')],
                'constraints': [models.UniqueConstraint(fields=('tenant_id', 'day', 'type'), name='a_day_is_counted_once')],
            },
        ),
        migrations.CreateModel(
            name='Attempt',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('number', models.PositiveSmallIntegerField()),
                ('started_at', models.DateTimeField()),
                ('duration_ms', models.PositiveIntegerField()),
                ('status', models.PositiveSmallIntegerField(help_text='The HTTP status; empty: no answer came.', null=True)),
                ('error', models.CharField(blank=True, help_text='The class of the failure; empty: delivered.', max_length=20)),
                ('answer', models.BinaryField(help_text="The first 16 KiB of the answer's body.", null=True)),
                ('delivery', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='history', to='delivery.delivery')),
            ],
            options={
                'indexes': [models.Index(fields=['delivery', 'id'], name='attempt_history')],
            },
        ),
        migrations.CreateModel(
            name='EndpointHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('begins_at', models.DateTimeField()),
                ('attempts', models.PositiveIntegerField()),
                ('delivered', models.PositiveIntegerField()),
                ('latencies', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveIntegerField(), help_text='Attempts by duration, see hours.BOUNDS.', size=None)),
                ('last_error', models.CharField(blank=True, max_length=20)),
                ('last_status', models.PositiveSmallIntegerField(null=True)),
                ('last_failed_at', models.DateTimeField(null=True)),
                ('endpoint', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='hours', to='subscriptions.endpoint')),
            ],
            options={
                'indexes': [models.Index(fields=['begins_at'], name='endpoint_hour_age')],
                'constraints': [models.UniqueConstraint(fields=('endpoint', 'begins_at'), name='an_hour_of_an_endpoint_once')],
            },
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['tenant', 'id'], name='event_pages'),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.UniqueConstraint(fields=('tenant', 'event_id', 'source'), name='an_event_is_taken_once'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('due_at__isnull', False)), fields=['due_at'], name='lane_due'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('parked', True)), fields=['endpoint'], name='lane_parked'),
        ),
        migrations.AddIndex(
            model_name='lane',
            index=models.Index(condition=models.Q(('tripped_until__isnull', False)), fields=['endpoint'], name='lane_tripped'),
        ),
        migrations.AddIndex(
            model_name='replay',
            index=models.Index(fields=['tenant', 'id'], name='replay_pages'),
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
            index=models.Index(condition=models.Q(('order_key__isnull', False), ('state__in', ['pending', 'sending'])), fields=['endpoint', 'order_key', 'created_at', 'id'], name='delivery_in_order'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'sending')), fields=['claimed_until'], name='delivery_claimed'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['tenant', 'id'], name='delivery_pages'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['endpoint', 'id'], name='delivery_endpoint_pages'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state__in', ['dead', 'cancelled'])), fields=['tenant', 'state', 'id'], name='delivery_stopped'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state__in', ['dead', 'cancelled'])), fields=['endpoint', 'state', 'id'], name='delivery_endpoint_stopped'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('event', 'endpoint'), name='an_event_is_owed_once'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(fields=['tenant', 'id'], name='dead_letter_pages'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(fields=['endpoint', 'id'], name='dead_letter_endpoint_pages'),
        ),
        migrations.AddIndex(
            model_name='deadletter',
            index=models.Index(fields=['delivery', 'id'], name='dead_letter_delivery'),
        ),
        migrations.AddConstraint(
            model_name='deadletter',
            constraint=models.UniqueConstraint(condition=models.Q(('redriven_at', None)), fields=('delivery',), name='one_open_dead_letter_per_delivery'),
        ),
        migrations.RunSQL((Path(__file__).parent / "storage.sql").read_text(), migrations.RunSQL.noop),
    ]
