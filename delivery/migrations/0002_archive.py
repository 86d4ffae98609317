import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import webhooks.wire.ids


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0001_initial'),
        ('delivery', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Archive',
            fields=[
                ('id', models.UUIDField(default=webhooks.wire.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, help_text='When it was created.')),
                ('begins_at', models.DateTimeField(help_text='The full hour (UTC) in which its events were published.')),
                ('key', models.CharField(help_text='Name of the object in the storage.', max_length=255, unique=True)),
                ('events', models.PositiveIntegerField(help_text='Events in it.')),
                ('deliveries', models.PositiveIntegerField(help_text='Deliveries of these events.')),
                ('types', models.JSONField(help_text='Number of events by type.')),
                ('bytes', models.PositiveIntegerField(help_text='Size of the object, compressed.')),
                ('sha256', models.CharField(help_text='SHA-256 of the object, in hex.', max_length=64)),
                ('tenant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='archives', to='subscriptions.tenant')),
            ],
            options={
                'verbose_name': 'archived hour',
            },
        ),
        migrations.AddIndex(
            model_name='archive',
            index=models.Index(fields=['tenant', 'id'], name='archive_by_tenant'),
        ),
        migrations.AddField(
            model_name='replay',
            name='archive',
            field=models.UUIDField(editable=False, help_text='The object of the archive that it is in; empty: none yet.', null=True),
        ),
        migrations.AddField(
            model_name='replay',
            name='error',
            field=models.TextField(blank=True, db_default='', default='', help_text='Why it ended before it was done; empty: it did not.'),
        ),
        migrations.AlterField(
            model_name='replay',
            name='scope',
            field=models.CharField(choices=[('dead_letters', 'Open dead letters'), ('events', 'Past events, whatever the state of their deliveries'), ('missing', 'Past events that have no delivery to the endpoint'), ('archived', 'Archived events, which retention has deleted')], default='dead_letters', help_text='What it selects.', max_length=12),
        ),
    ]
